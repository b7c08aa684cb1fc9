#!/bin/sh
# Tells Web PubSub where the event handler is, once it answers: saving its URL makes the service ask it for permission.
set -eu
origin=${WEBPUBSUB_ENDPOINT#https://}
for attempt in $(seq 1 60); do
  if curl --silent --fail --output /dev/null --request OPTIONS --header "WebHook-Request-Origin: $origin" \
    "$SERVICE_UPSTREAM_URI/eventhandler"; then
    az deployment group create --resource-group "$AZURE_RESOURCE_GROUP" --name hubs --template-file infra/hubs.bicep \
      --parameters webPubSubName="$WEBPUBSUB_NAME" upstreamUri="$SERVICE_UPSTREAM_URI" \
      webhookAudience="$WEBHOOK_AUDIENCE" hubs=@infra/hubs.json --output none
    exit 0
  fi
  sleep 5
done
echo "$SERVICE_UPSTREAM_URI/eventhandler did not answer validation within five minutes" >&2
exit 1
