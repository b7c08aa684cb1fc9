@description('The Web PubSub resource')
param webPubSubName string

@description('Where the upstream answers, as https://app.example')
param upstreamUri string

@description('Client id that event handler tokens are issued for')
param webhookAudience string

@description('Hub name to properties, as `webpubsub policy export` prints them')
param hubs object

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

resource settings 'Microsoft.SignalRService/webPubSub/hubs@2024-03-01' = [
  for hub in items(hubs): {
    parent: webPubSub
    name: hub.key
    properties: {
      anonymousConnectPolicy: hub.value.anonymousConnectPolicy
      eventHandlers: [
        for handler in hub.value.eventHandlers: {
          urlTemplate: '${upstreamUri}/eventhandler'
          userEventPattern: handler.userEventPattern
          systemEvents: handler.systemEvents
          auth: {
            type: 'ManagedIdentity'
            managedIdentity: { resource: webhookAudience }
          }
        }
      ]
    }
  }
]
