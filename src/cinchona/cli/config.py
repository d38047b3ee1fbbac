"""``cinchona config``: the settings as they would be used, and their schema."""

from __future__ import annotations

import json

from cinchona.cli.common import Common, command, new_app

app = new_app("Show the settings and their schema.", group=True)


@command(app)
def show(common: Common) -> None:
    """Show all settings as YAML (or JSON) with what the file, the environment and --set say; secrets are masked."""
    from cinchona.cli.output import emit
    from cinchona.masking import mask_secrets
    from cinchona.settings import to_yaml

    settings = common.settings()
    if common.as_json:
        emit(json.dumps(mask_secrets(settings.model_dump(mode="json")), indent=2, ensure_ascii=False))
    else:
        emit(to_yaml(settings, mask=True))


@command(app)
def schema(common: Common) -> None:
    """Show the JSON schema of the settings file, for editors."""
    del common
    from cinchona.cli.output import emit
    from cinchona.pipelines.config import Settings
    from cinchona.settings import settings_schema

    emit(json.dumps(settings_schema(Settings), indent=2, ensure_ascii=False))
