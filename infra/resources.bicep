param location string
param tags object
param webhookAudience string
param upstreamExists bool
param withTranslator bool
param hubs string

var suffix = uniqueString(subscription().id, resourceGroup().id, location)
var roles = {
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  webPubSubServiceOwner: '12cf5a90-567b-43ae-8102-96cf46c7d9b4'
  cognitiveServicesUser: 'a97b65f3-24c7-4388-baec-2e87135dc908'
}

// Who the app is: it pulls its image, calls Web PubSub and the translator. There is no key for any of them.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${suffix}'
  location: location
  tags: tags
}

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${suffix}'
  location: location
  tags: tags
  properties: {
    retentionInDays: 30
    sku: { name: 'PerGB2018' }
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: 'cr${suffix}'
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: { adminUserEnabled: false }
}

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' = {
  name: 'wps-${suffix}'
  location: location
  tags: tags
  kind: 'WebPubSub'
  sku: {
    name: 'Standard_S1'
    capacity: 1
  }
  identity: { type: 'SystemAssigned' }
  properties: { disableLocalAuth: true }
}

resource redis 'Microsoft.Cache/redisEnterprise@2025-04-01' = {
  name: 'redis-${suffix}'
  location: location
  tags: tags
  sku: { name: 'Balanced_B0' }
  properties: { minimumTlsVersion: '1.2' }
}

// One endpoint, as for a single server; nothing that was accepted may be evicted or lost.
resource database 'Microsoft.Cache/redisEnterprise/databases@2025-04-01' = {
  parent: redis
  name: 'default'
  properties: {
    clientProtocol: 'Encrypted'
    clusteringPolicy: 'EnterpriseCluster'
    evictionPolicy: 'NoEviction'
    accessKeysAuthentication: 'Enabled'
    persistence: {
      aofEnabled: true
      aofFrequency: '1s'
    }
  }
}

resource translator 'Microsoft.CognitiveServices/accounts@2025-06-01' = if (withTranslator) {
  name: 'tr-${suffix}'
  location: location
  tags: tags
  kind: 'TextTranslation'
  sku: { name: 'S1' }
  properties: {
    customSubDomainName: 'tr-${suffix}'
    disableLocalAuth: true
  }
}

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, identity.id, roles.acrPull)
  scope: registry
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)
  }
}

resource owns 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(webPubSub.id, identity.id, roles.webPubSubServiceOwner)
  scope: webPubSub
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.webPubSubServiceOwner)
  }
}

resource translates 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (withTranslator) {
  name: guid(translator.id, identity.id, roles.cognitiveServicesUser)
  scope: translator
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.cognitiveServicesUser)
  }
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: 'cae-${suffix}'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
  }
}

// azd replaces the image; a deployment of the infrastructure must not put the placeholder back.
resource running 'Microsoft.App/containerApps@2025-01-01' existing = if (upstreamExists) {
  name: 'ca-${suffix}'
}

var placeholder = 'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'

resource upstream 'Microsoft.App/containerApps@2025-01-01' = {
  name: 'ca-${suffix}'
  location: location
  tags: union(tags, { 'azd-service-name': 'upstream' })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    managedEnvironmentId: environment.id
    configuration: {
      ingress: {
        external: true
        targetPort: 8080
        transport: 'auto'
        allowInsecure: false
      }
      registries: [
        {
          server: registry.properties.loginServer
          identity: identity.id
        }
      ]
      secrets: [
        {
          name: 'store'
          value: 'rediss://:${uriComponent(database.listKeys().primaryKey)}@${redis.properties.hostName}:10000/0'
        }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 40
      containers: [
        {
          name: 'upstream'
          image: upstreamExists ? running!.properties.template.containers[0].image : placeholder
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          env: concat(
            [
              { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
              { name: 'WEBPUBSUB_ENDPOINT', value: 'https://${webPubSub.properties.hostName}' }
              { name: 'WEBHOOK_ENTRA_TENANT', value: tenant().tenantId }
              { name: 'WEBHOOK_ENTRA_AUDIENCE', value: webhookAudience }
              { name: 'WEBHOOK_ENTRA_CALLERS', value: webPubSub.identity.principalId }
              { name: 'HUBS', value: hubs }
              { name: 'STORE', secretRef: 'store' }
              { name: 'LOG_FORMAT', value: 'json' }
              { name: 'SHUTDOWN_GRACE_SECONDS', value: '20' }
            ],
            withTranslator
              ? [
                  { name: 'TRANSLATOR', value: 'azure' }
                  { name: 'TRANSLATOR_ENDPOINT', value: translator!.properties.endpoint }
                ]
              : []
          )
          // The placeholder answers none of them.
          probes: upstreamExists
            ? [
                {
                  type: 'Liveness'
                  httpGet: { path: '/healthz', port: 8080 }
                  periodSeconds: 10
                }
                {
                  type: 'Readiness'
                  httpGet: { path: '/readyz', port: 8080 }
                  periodSeconds: 5
                }
              ]
            : []
        }
      ]
      scale: {
        minReplicas: 2
        maxReplicas: 10
        rules: [
          {
            name: 'requests'
            http: { metadata: { concurrentRequests: '200' } }
          }
        ]
      }
    }
  }
  dependsOn: [pulls, owns]
}

output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.properties.loginServer
output SERVICE_UPSTREAM_NAME string = upstream.name
output SERVICE_UPSTREAM_URI string = 'https://${upstream.properties.configuration.ingress.fqdn}'
output WEBPUBSUB_NAME string = webPubSub.name
output WEBPUBSUB_ENDPOINT string = 'https://${webPubSub.properties.hostName}'
