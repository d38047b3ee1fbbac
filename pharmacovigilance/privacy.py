"""Privacy at the door: people's names, initials, mail addresses and phone numbers leave free text before it is stored.

This is a filter of patterns, not a proof of anonymity: it takes out mail addresses, phone numbers, names that follow a
title or a label, citations' authors, and initials. What it takes out is replaced by a mark or by a keyed digest, which
keeps equal values equal without telling them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, SecretStr

from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.schema import FreeText
from cinchona.settings import Config

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["mail", "phone", "name", "initials", "author"]
ALL_KINDS: Final[tuple[Kind, ...]] = ("mail", "phone", "name", "initials", "author")

_MAIL: Final = r"[A-Za-z0-9._%+'-]+\s?@\s?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}"
_PHONE: Final = (
    r"\b(?:tel(?:ephone)?|phone|fax|mobile|cell)\b\.?\s*(?:no\b\.?|number)?\s*(?:is|at)?\s*[:#]?\s*\+?[\d(][\d\s().-]{5,17}\d"
    r"|(?<!\w)\+\d[\d\s().-]{7,17}\d(?!\w)"
    r"|(?<![\w-])\(\d{2,5}\)[\s.-]?\d{3,4}[\s.-]?\d{3,4}(?![\w-])"
    r"|(?<![\w.,-])(?:1[-.\s])?\d{3}([-.])\d{3}\1\d{4}(?![\w.-])|(?<![\w.,-])(?:1[-.\s])?\d{3}[-.\s]\d{3}-\d{4}(?![\w-])"
    r"|(?<![\w.,-])0\d{2,4}[\s/-]\d{3,4}[\s-]?\d{3,4}(?![\w-])"
)
_WORD: Final = r"[A-Z][A-Za-z'’\u00C0-\u017F-]+"
_NAME: Final = (
    rf"(?<!\w)(?:(?i:dr|doctor|mr|mrs|ms|miss|prof|professor)\.?|(?:Nurse|NURSE|Sir|Madam))\s+(?:[A-Z]\.\s*){{0,3}}{_WORD}(?:\s+{_WORD}){{0,2}}"
    rf"|\b(?i:(?:patient|reporter|contact|physician|pharmacist|consumer|mother|father|spouse)(?:'s)?\s+named?\s*(?:is|was|:|=)?)\s*{_WORD}(?:\s+{_WORD}){{0,2}}"
    rf"|\b(?i:(?:first|last|full|sur|patient)?\s?name\s*(?:is|was|:|=))\s*{_WORD}(?:\s+{_WORD}){{0,2}}"
)
_INITIALS: Final = (
    r"(?i:\b(?:patient|pt|subject|reporter)?\.?\s*initials?\b\s*(?:are|is|were|was)?\s*[:=]?\s*)\(?(?:[A-Z]\.?[\s-]?){2,4}\)?(?![a-z])"
    r"|(?<![\w.])(?:[A-Z]\.){2,4}(?!\w)(?=\s*(?:,|;|\)|$|is\b|was\b|has\b|had\b|who\b))"
)
_AUTHOR: Final = rf"(?<![\w-])(?:(?:de|van|von|der|la|DE|VAN|VON|DER|LA)\s+)*{_WORD}(?:-{_WORD})?,?\s+(?:[A-Z]\.?[\s-]?){{1,3}}(?=\s*(?:,|;|:|\.|\b(?:and|AND|et|ET)\b|&|$))"
_PATTERNS: Final[dict[Kind, re.Pattern[str]]] = {
    "mail": re.compile(_MAIL),
    "phone": re.compile(_PHONE, re.IGNORECASE),
    "name": re.compile(_NAME),
    "initials": re.compile(_INITIALS),
    "author": re.compile(_AUTHOR),
}
_SUSPICIOUS: Final[dict[Kind, str]] = {
    "mail": "@",
    "phone": r"\d\d[ /.()-]*\d\d[ /.()-]*\d\d",
    "name": r"(?i)\b(dr|doctor|mr|mrs|ms|miss|prof|professor|nurse|sir|madam|\w*name|named)\b",
    "initials": r"(?i)initial|[A-Z]\.[A-Z]\.",
    "author": r"[A-Z][A-Za-z'-]+,? +[A-Z]",
}
"""What a text must match (RE2, fast) before the exact pattern is tried."""
_BY_COLUMN: Final[dict[str, frozenset[str]]] = {
    "text": frozenset({"mail", "phone", "name", "initials"}),
    "citation": frozenset(ALL_KINDS),
    "label": frozenset({"mail", "phone"}),
}


class PrivacyConfig(Config):
    """What the filter does with free text."""

    mode: Literal["strip", "hash", "keep"] = "strip"
    """``strip`` puts a mark such as ``[mail]`` in place, ``hash`` a keyed digest, ``keep`` stores the text as it is."""
    kinds: tuple[Kind, ...] = ALL_KINDS
    """What is looked for."""
    key: SecretStr | None = Field(None)
    """Key of the digests; needed for ``hash``; never written to the store."""

    def identity(self) -> dict[str, object]:
        """Return what of it decides the stored text: for set ids and receipts; of the key only a digest."""
        key = self.key.get_secret_value() if self.key else ""
        tag = hashlib.sha256(b"cinchona-privacy:" + key.encode()).hexdigest()[:12] if key else ""
        return {"mode": self.mode, "kinds": list(self.kinds), "key_tag": tag}


def make_filter(config: PrivacyConfig, column: FreeText = "text") -> Callable[[pa.Array], pa.Array]:
    """Return the filter that ``config`` describes, for arrays of strings of a kind of column.

    Args:
        config: What to look for, and what to do with it.
        column: ``text``, ``citation`` (authors too: elsewhere ``ONCE PO,`` would look like one) or ``label`` (mails and
            phone numbers only: ``DR. REDDY'S METFORMIN`` is a product).

    Raises:
        ConfigError: if digests are asked for without a key.
    """
    if config.mode == "keep":
        return lambda texts: texts
    if config.mode == "hash" and config.key is None:
        raise ConfigError(
            "privacy mode 'hash' needs a key", where="privacy.key",
            remedy="set it through CINCHONA_PRIVACY__KEY, or use mode 'strip'",
        )  # fmt: skip

    def clean(texts: pa.Array) -> pa.Array:
        for kind in config.kinds:
            if kind not in _BY_COLUMN[column]:
                continue
            texts = _clean_kind(texts, kind, config)
        return texts

    return clean


def clean_text(text: str, config: PrivacyConfig) -> str:
    """Return one text, filtered.

    >>> clean_text("Call Dr. Ann Lee at 555-123-4567 or ann@lee.org", PrivacyConfig())
    'Call [name] at [phone] or [mail]'
    """
    return str(make_filter(config)(pa.array([text]))[0].as_py())


def _clean_kind(texts: pa.Array, kind: Kind, config: PrivacyConfig) -> pa.Array:
    suspicious = pc.match_substring_regex(texts, _SUSPICIOUS[kind]).fill_null(fill_value=False)
    if not pc.any(suspicious).as_py():
        return texts
    pattern = _PATTERNS[kind]
    mark = _marker(kind, config)
    found = [pattern.sub(mark, text) for text in texts.filter(suspicious).to_pylist()]
    return pc.replace_with_mask(texts, suspicious, pa.array(found, pa.string()))


def _marker(kind: Kind, config: PrivacyConfig) -> Callable[[re.Match[str]], str]:
    if config.mode == "strip" or config.key is None:
        return lambda _: f"[{kind}]"
    key = config.key.get_secret_value().encode()

    def digest(match: re.Match[str]) -> str:
        text = re.sub(r"\W+", "", match.group()).casefold()
        return f"[{kind}:{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:12]}]"

    return digest
