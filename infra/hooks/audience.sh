#!/bin/sh
# Makes the app registration that event handler tokens are issued for, once, and remembers it in the azd environment.
set -eu
[ -z "${WEBHOOK_AUDIENCE:-}" ] || exit 0
audience=$(az ad app create --display-name "webpubsub-upstream-${AZURE_ENV_NAME}" --query appId --output tsv)
az ad sp show --id "$audience" --output none 2>/dev/null || az ad sp create --id "$audience" --output none
azd env set WEBHOOK_AUDIENCE "$audience"
