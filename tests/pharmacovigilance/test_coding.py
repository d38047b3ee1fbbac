"""Drug names to ingredients: stripping, combinations, misspellings, what must stay apart, and what is never coded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinchona.pharmacovigilance.coding.coder import NOT_CODED, Coder, How
from cinchona.pharmacovigilance.coding.dictionary import Dictionary, Entry
from cinchona.pharmacovigilance.coding.fuzzy import edits_allowed
from cinchona.pharmacovigilance.coding.spelling import parts_of, stems, tidy, without_noise

SUBSTANCES = (
    "ATORVASTATIN", "AMLODIPINE", "METFORMIN", "HYDROCODONE", "ACETAMINOPHEN", "SODIUM CHLORIDE", "THIAMINE", "PREDNISONE",
    "PREDNISOLONE", "SULFAMETHOXAZOLE", "TRIMETHOPRIM", "ADALIMUMAB", "CALCIUM CARBONATE", "HYDROXYZINE", "HYDRALAZINE",
    "CLONIXIN", "ONDANSETRON", "INSULIN GLARGINE", "FERROUS SULFATE",
)  # fmt: skip
BRANDS = {
    "LIPITOR": ("ATORVASTATIN CALCIUM",), "NORVASC": ("AMLODIPINE BESYLATE",), "CADUET": ("AMLODIPINE", "ATORVASTATIN"),
    "VICODIN": ("HYDROCODONE BITARTRATE", "ACETAMINOPHEN"), "PARACETAMOL": ("ACETAMINOPHEN",), "HUMIRA": ("ADALIMUMAB",),
    "VITAMIN B1": ("THIAMINE",), "VITAMIN B12": ("CYANOCOBALAMIN",), "DIFFU-K": ("POTASSIUM CHLORIDE",),
    "SERTINOL": ("METFORMIN",), "ATORVASTATIN CALCIUM": ("ATORVASTATIN CALCIUM",),
}  # fmt: skip


def dictionary(name: str = "own", *more: Entry) -> Dictionary:
    entries = [Entry(s, (s,), "substance") for s in SUBSTANCES]
    entries += [Entry(brand, contents) for brand, contents in BRANDS.items()]
    entries.append(Entry("NSC-91485", ("METFORMIN",), "other"))
    return Dictionary(name, "1", (*entries, *more))


@pytest.fixture(scope="module")
def coder() -> Coder:
    return Coder([dictionary()])


@pytest.mark.parametrize(
    ("name", "ingredients", "how"),
    [
        ("atorvastatin", "ATORVASTATIN", How.EXACT),
        ("Lipitor®", "ATORVASTATIN", How.EXACT),
        ("CADUET", "AMLODIPINE ATORVASTATIN", How.EXACT),
        ("nsc-91485", "METFORMIN", How.EXACT),
        ("LIPITOR 10 MG TABLETS", "ATORVASTATIN", How.NORMALISED),
        ("METFORMIN TEVA 500 MG FILM-COATED TABLETS (NDA 22-272)", "METFORMIN", How.NORMALISED),
        ("atorvastatin calcium trihydrate", "ATORVASTATIN", How.NORMALISED),
        ("HUMIRA 40MG/0.8ML PEN", "ADALIMUMAB", How.NORMALISED),
        ("SODIUM CHLORIDE 0.9%", "SODIUM CHLORIDE", How.NORMALISED),
        ("amlodipine;atorvastatin", "AMLODIPINE ATORVASTATIN", How.COMBINATION),
        ("NORVASC 5 MG + LIPITOR 10 MG", "AMLODIPINE ATORVASTATIN", How.COMBINATION),
        ("SULFAMETHOXAZOLE-TRIMETHOPRIM", "SULFAMETHOXAZOLE TRIMETHOPRIM", How.COMBINATION),
        ("HYDROCODONE BITARTRATE AND ACETAMINOPHEN", "ACETAMINOPHEN HYDROCODONE", How.COMBINATION),
        ("PAIN KILLER (HYDROCODONE BITARTRATE)", "HYDROCODONE", How.BRACKET),
        ("HUMIRA CITRATE FREE STARTER", "ADALIMUMAB", How.LEADING),
        ("ATORVASTATINE", "ATORVASTATIN", How.FUZZY),
        ("atorvastatn/amlodipin 10 mg", "AMLODIPINE ATORVASTATIN", How.FUZZY),
        ("diffu k", "POTASSIUM CHLORIDE", How.FUZZY),
        ("ODANSETRON", "ONDANSETRON", How.FUZZY),
        ("NDANSETRON", "ONDANSETRON", How.NONE),
        ("INSULINA GLARGINE", "INSULIN GLARGINE", How.FUZZY),
        ("FERROUS SULPHAT", "FERROUS SULFATE", How.NONE),
    ],
)
def test_names_are_coded_by_the_surest_way(coder: Coder, name: str, ingredients: str, how: How) -> None:
    coded = coder.code([name])[name]
    assert coded.how is how
    if how is How.NONE:
        assert coded == NOT_CODED
        return
    wanted = [i for i in (*SUBSTANCES, "POTASSIUM CHLORIDE") if i in ingredients]
    assert sorted(coded.ingredients) == sorted(wanted) == list(coded.ingredients)
    assert coded.matched
    assert (coded.score == 100) == (how not in {How.FUZZY, How.LEADING})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("VITAMIN B2", "numbers tell medicines apart"),
        ("PREDNISOONE", "two substances are as near"),
        ("CLONIPIN", "a short name with another consonant"),
        ("PENICILLINS", "a class"),
        ("CALCIUM", "a metal is what is left of any of its salts"),
        ("SERTANOL", "a brand of eight letters with another letter is another brand"),
        ("ANTIBIOTICS", "a class"),
        ("UNKNOWN MEDICATION", "says nothing"),
        ("XQZW", "nothing is near"),
        ("???", "no letters"),
        ("", "nothing"),
        ("1;2;3;4;5;6;7;8;9;10;11;12;13;14", "no letters"),
        ("A" * 5000, "nothing is near"),
        ("\u0391\u0392\u0393", "not in these letters"),
    ],
)
def test_unsure_names_are_left_alone(coder: Coder, name: str, why: str) -> None:
    assert coder.code([name])[name] == NOT_CODED, why


def test_without_fuzzy_and_with_salts() -> None:
    strict = Coder([dictionary()], fuzzy=False)
    assert strict.code(["ATORVASTATINE"])["ATORVASTATINE"] == NOT_CODED
    assert strict.suggest(["ATORVASTATINE"]) == {}
    salts = Coder([dictionary()], keep_salts=True)
    assert salts.code(["LIPITOR"])["LIPITOR"].ingredients == ("ATORVASTATIN CALCIUM",)
    assert salts.code(["ATORVASTATIN"])["ATORVASTATIN"].ingredients == ("ATORVASTATIN",)


def test_score_is_the_share_of_right_letters(coder: Coder) -> None:
    found = coder.code(["ATORVASTATINE", "ATROVASTATIN", "ODANSETRON"])
    assert found["ATORVASTATINE"].score == pytest.approx(100 * (1 - 1 / 13), abs=0.05)
    assert found["ATROVASTATIN"].score == pytest.approx(100 * (1 - 1 / 12), abs=0.05)  # neighbours swapped: one edit
    assert found["ODANSETRON"].score == pytest.approx(100 * (1 - 1 / 11), abs=0.05)


def test_first_dictionary_decides_and_later_ones_complete_brands() -> None:
    mine = Dictionary("mine", "1", (Entry("LIPITOR", ("MY STATIN",)), Entry("CADUET", ("AMLODIPINE",))))
    coded = Coder([mine, dictionary()]).code(["LIPITOR", "CADUET"])
    assert coded["LIPITOR"].ingredients == ("MY STATIN",)
    assert coded["CADUET"].ingredients == ("AMLODIPINE", "ATORVASTATIN")  # a brand of which more is known
    assert Coder([dictionary(), mine]).code(["LIPITOR"])["LIPITOR"].ingredients == ("ATORVASTATIN",)


def test_product_names_complete_the_brand() -> None:
    parts = (Entry("ADVENT", ("METFORMIN",)), Entry("ADVENT DISKUS", ("METFORMIN", "THIAMINE")))
    coded = Coder([dictionary("own", *parts)]).code(["ADVENT", "ADVENT DISKUS 10 MG"])
    assert {c.ingredients for c in coded.values()} == {("METFORMIN", "THIAMINE")}


def test_suggestions_are_near_names_best_first(coder: Coder) -> None:
    found = coder.suggest(["ATORVSTN", "PREDNISOONE", "QQQQQQ"], most=2)
    assert found["ATORVSTN"][0] == "ATORVASTATIN"
    assert set(found["PREDNISOONE"]) == {"PREDNISONE", "PREDNISOLONE"}
    assert "QQQQQQ" not in found


@given(st.lists(st.text(max_size=40), max_size=8), st.integers(0, 7))
def test_a_name_is_coded_alike_alone_and_in_company(names: list[str], which: int) -> None:
    one = _CODER.code(names)
    assert list(one) == list(dict.fromkeys(names))
    for name in names[which : which + 1]:
        assert _CODER.code([name])[name] == one[name]


@given(st.sampled_from(SUBSTANCES), st.sampled_from(["10 MG", "TABLETS", "(TEVA)", "500MG/ML INJECTION", "/00123401/"]))
def test_noise_never_changes_the_ingredient(name: str, noise: str) -> None:
    assert _CODER.code([f"{name.lower()} {noise}"])[f"{name.lower()} {noise}"].ingredients == (name,)


_CODER = Coder([dictionary()])


def test_spelling_steps() -> None:
    assert tidy(" \u201cCaf\u00e9\u201d  mild. ") == "CAFE MILD"
    assert without_noise("HUMIRA 40MG/0.8ML PEN") == "HUMIRA"
    assert parts_of("A1 CREAM WITH ZINC, IRON & B\\C") == ["A1 CREAM", "ZINC", "IRON", "B", "C"]
    assert list(stems("CALCIUM CARBONATE")) == []
    assert list(stems("SODIUM VALPROATE")) == ["VALPROATE"]
    for length in range(1, 40):
        assert 0 <= edits_allowed(length, brand=True) <= edits_allowed(length, brand=False) <= 3
        assert edits_allowed(length, brand=False) <= edits_allowed(length + 1, brand=False)
