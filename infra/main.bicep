targetScope = 'subscription'

@minLength(1)
@maxLength(32)
@description('The azd environment; names and tags come from it')
param environmentName string

@description('Where everything is created')
param location string

@description('Client id of the app registration that event handler tokens are issued for; infra/hooks/audience.sh makes it')
param webhookAudience string

@description('Whether the app exists already; azd says so')
param upstreamExists bool = false

@description('Also create Azure Translator, for the multilingual chat')
param withTranslator bool = false

@description('What runs, comma-separated')
param hubs string = 'app.hubs.chat:ChatHub'

var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module resources 'resources.bicep' = {
  scope: group
  name: 'resources'
  params: {
    location: location
    tags: tags
    webhookAudience: webhookAudience
    upstreamExists: upstreamExists
    withTranslator: withTranslator
    hubs: hubs
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = resources.outputs.AZURE_CONTAINER_REGISTRY_ENDPOINT
output SERVICE_UPSTREAM_NAME string = resources.outputs.SERVICE_UPSTREAM_NAME
output SERVICE_UPSTREAM_URI string = resources.outputs.SERVICE_UPSTREAM_URI
output WEBPUBSUB_NAME string = resources.outputs.WEBPUBSUB_NAME
output WEBPUBSUB_ENDPOINT string = resources.outputs.WEBPUBSUB_ENDPOINT
