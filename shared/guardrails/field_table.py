"""Which fields Kubernetes 1.37 has in the three kinds that InfraGate writes, as one table.

A type's name, then its fields by type: `[]` is a list, `{}` a mapping with string keys, `object` a
mapping that is not looked into (volume drivers that Kubernetes has retired, status). Reading it is
the business of `shared.guardrails.fields`. Source: the OpenAPI document of Kubernetes 1.37.
"""

FIELDS = """
Deployment
  object: status
  str: apiVersion kind
  DeploymentSpec: spec
  ObjectMeta: metadata
ObjectMeta
  int: deletionGracePeriodSeconds generation
  object[]: managedFields ownerReferences
  str: creationTimestamp deletionTimestamp generateName name namespace resourceVersion selfLink
    uid
  str[]: finalizers
  str{}: annotations labels
DeploymentSpec
  bool: paused
  int: minReadySeconds progressDeadlineSeconds replicas revisionHistoryLimit
  DeploymentStrategy: strategy
  LabelSelector: selector
  PodTemplateSpec: template
LabelSelector
  str{}: matchLabels
  LabelSelectorRequirement[]: matchExpressions
LabelSelectorRequirement
  str: key operator
  str[]: values
DeploymentStrategy
  str: type
  RollingUpdateDeployment: rollingUpdate
RollingUpdateDeployment
  int-or-str: maxSurge maxUnavailable
PodTemplateSpec
  ObjectMeta: metadata
  PodSpec: spec
PodSpec
  bool: automountServiceAccountToken enableServiceLinks hostIPC hostNetwork hostPID hostUsers
    setHostnameAsFQDN shareProcessNamespace
  int: activeDeadlineSeconds priority terminationGracePeriodSeconds
  object[]: ephemeralContainers
  quantity{}: overhead
  str: dnsPolicy hostname hostnameOverride nodeName preemptionPolicy priorityClassName
    restartPolicy runtimeClassName schedulerName serviceAccount serviceAccountName subdomain
  str{}: nodeSelector
  Affinity: affinity
  Container[]: containers initContainers
  EvictionResponder[]: evictionResponders
  HostAlias[]: hostAliases
  LocalObjectReference[]: imagePullSecrets
  PodDNSConfig: dnsConfig
  PodOS: os
  PodReadinessGate[]: readinessGates
  PodResourceClaim[]: resourceClaims
  PodSchedulingGate[]: schedulingGates
  PodSchedulingGroup: schedulingGroup
  PodSecurityContext: securityContext
  ResourceRequirements: resources
  Toleration[]: tolerations
  TopologySpreadConstraint[]: topologySpreadConstraints
  Volume[]: volumes
Affinity
  NodeAffinity: nodeAffinity
  PodAffinity: podAffinity
  PodAntiAffinity: podAntiAffinity
NodeAffinity
  NodeSelector: requiredDuringSchedulingIgnoredDuringExecution
  PreferredSchedulingTerm[]: preferredDuringSchedulingIgnoredDuringExecution
PreferredSchedulingTerm
  int: weight
  NodeSelectorTerm: preference
NodeSelectorTerm
  NodeSelectorRequirement[]: matchExpressions matchFields
NodeSelectorRequirement
  str: key operator
  str[]: values
NodeSelector
  NodeSelectorTerm[]: nodeSelectorTerms
PodAffinity
  PodAffinityTerm[]: requiredDuringSchedulingIgnoredDuringExecution
  WeightedPodAffinityTerm[]: preferredDuringSchedulingIgnoredDuringExecution
WeightedPodAffinityTerm
  int: weight
  PodAffinityTerm: podAffinityTerm
PodAffinityTerm
  str: topologyKey
  str[]: matchLabelKeys mismatchLabelKeys namespaces
  LabelSelector: labelSelector namespaceSelector
PodAntiAffinity
  PodAffinityTerm[]: requiredDuringSchedulingIgnoredDuringExecution
  WeightedPodAffinityTerm[]: preferredDuringSchedulingIgnoredDuringExecution
Container
  bool: stdin stdinOnce tty
  str: image imagePullPolicy name restartPolicy terminationMessagePath terminationMessagePolicy
    workingDir
  str[]: args command
  ContainerPort[]: ports
  ContainerResizePolicy[]: resizePolicy
  ContainerRestartRule[]: restartPolicyRules
  EnvFromSource[]: envFrom
  EnvVar[]: env
  Lifecycle: lifecycle
  Probe: livenessProbe readinessProbe startupProbe
  ResourceRequirements: resources
  SecurityContext: securityContext
  VolumeDevice[]: volumeDevices
  VolumeMount[]: volumeMounts
EnvVar
  str: name value
  EnvVarSource: valueFrom
EnvVarSource
  ConfigMapKeySelector: configMapKeyRef
  FileKeySelector: fileKeyRef
  ObjectFieldSelector: fieldRef
  ResourceFieldSelector: resourceFieldRef
  SecretKeySelector: secretKeyRef
ConfigMapKeySelector
  bool: optional
  str: key name
ObjectFieldSelector
  str: apiVersion fieldPath
FileKeySelector
  bool: optional
  str: key path volumeName
ResourceFieldSelector
  quantity: divisor
  str: containerName resource
SecretKeySelector
  bool: optional
  str: key name
EnvFromSource
  str: prefix
  ConfigMapEnvSource: configMapRef
  SecretEnvSource: secretRef
ConfigMapEnvSource
  bool: optional
  str: name
SecretEnvSource
  bool: optional
  str: name
Lifecycle
  str: stopSignal
  LifecycleHandler: postStart preStop
LifecycleHandler
  ExecAction: exec
  HTTPGetAction: httpGet
  SleepAction: sleep
  TCPSocketAction: tcpSocket
ExecAction
  str[]: command
HTTPGetAction
  int-or-str: port
  str: host path protocol scheme
  HTTPHeader[]: httpHeaders
HTTPHeader
  str: name value
SleepAction
  int: seconds
TCPSocketAction
  int-or-str: port
  str: host
Probe
  int: failureThreshold initialDelaySeconds periodSeconds successThreshold
    terminationGracePeriodSeconds timeoutSeconds
  ExecAction: exec
  GRPCAction: grpc
  HTTPGetAction: httpGet
  TCPSocketAction: tcpSocket
GRPCAction
  int: port
  str: mode service
ContainerPort
  int: containerPort hostPort
  str: hostIP name protocol
ContainerResizePolicy
  str: resourceName restartPolicy
ResourceRequirements
  quantity{}: limits requests
  CoreResourceClaim[]: claims
CoreResourceClaim
  str: name request
ContainerRestartRule
  str: action
  ContainerRestartRuleOnExitCodes: exitCodes
ContainerRestartRuleOnExitCodes
  int[]: values
  str: operator
SecurityContext
  bool: allowPrivilegeEscalation privileged readOnlyRootFilesystem runAsNonRoot
  int: runAsGroup runAsUser
  str: procMount
  AppArmorProfile: appArmorProfile
  Capabilities: capabilities
  SELinuxOptions: seLinuxOptions
  SeccompProfile: seccompProfile
  WindowsSecurityContextOptions: windowsOptions
AppArmorProfile
  str: localhostProfile type
Capabilities
  str[]: add drop
SELinuxOptions
  str: level role type user
SeccompProfile
  str: localhostProfile type
WindowsSecurityContextOptions
  bool: hostProcess
  str: gmsaCredentialSpec gmsaCredentialSpecName runAsUserName
VolumeDevice
  str: devicePath name
VolumeMount
  bool: readOnly
  str: mountPath mountPropagation name recursiveReadOnly subPath subPathExpr
  str[]: bindMountOptions
PodDNSConfig
  str[]: nameservers searches
  PodDNSConfigOption[]: options
PodDNSConfigOption
  str: name value
EvictionResponder
  int: priority
  str: name
HostAlias
  str: ip
  str[]: hostnames
LocalObjectReference
  str: name
PodOS
  str: name
PodReadinessGate
  str: conditionType
PodResourceClaim
  str: name resourceClaimName resourceClaimTemplateName
PodSchedulingGate
  str: name
PodSchedulingGroup
  str: podGroupName
PodSecurityContext
  bool: runAsNonRoot
  int: fsGroup runAsGroup runAsUser
  int[]: supplementalGroups
  str: fsGroupChangePolicy seLinuxChangePolicy supplementalGroupsPolicy
  AppArmorProfile: appArmorProfile
  SELinuxOptions: seLinuxOptions
  SeccompProfile: seccompProfile
  Sysctl[]: sysctls
  WindowsSecurityContextOptions: windowsOptions
Sysctl
  str: name value
Toleration
  int: tolerationSeconds
  str: effect key operator value
TopologySpreadConstraint
  int: maxSkew minDomains
  str: nodeAffinityPolicy nodeTaintsPolicy topologyKey whenUnsatisfiable
  str[]: matchLabelKeys
  LabelSelector: labelSelector
Volume
  object: awsElasticBlockStore azureDisk azureFile cephfs cinder fc flexVolume flocker
    gcePersistentDisk gitRepo glusterfs iscsi photonPersistentDisk portworxVolume quobyte rbd
    scaleIO storageos vsphereVolume
  str: name
  CSIVolumeSource: csi
  ConfigMapVolumeSource: configMap
  DownwardAPIVolumeSource: downwardAPI
  EmptyDirVolumeSource: emptyDir
  EphemeralVolumeSource: ephemeral
  HostPathVolumeSource: hostPath
  ImageVolumeSource: image
  NFSVolumeSource: nfs
  PersistentVolumeClaimVolumeSource: persistentVolumeClaim
  ProjectedVolumeSource: projected
  SecretVolumeSource: secret
ConfigMapVolumeSource
  bool: optional
  int: defaultMode defaultUser
  str: name
  KeyToPath[]: items
KeyToPath
  int: mode user
  str: key path
CSIVolumeSource
  bool: readOnly
  str: driver fsType
  str{}: volumeAttributes
  LocalObjectReference: nodePublishSecretRef
DownwardAPIVolumeSource
  int: defaultMode defaultUser
  DownwardAPIVolumeFile[]: items
DownwardAPIVolumeFile
  int: mode user
  str: path
  ObjectFieldSelector: fieldRef
  ResourceFieldSelector: resourceFieldRef
EmptyDirVolumeSource
  int: mode
  quantity: sizeLimit
  str: medium
EphemeralVolumeSource
  PersistentVolumeClaimTemplate: volumeClaimTemplate
PersistentVolumeClaimTemplate
  ObjectMeta: metadata
  PersistentVolumeClaimSpec: spec
PersistentVolumeClaimSpec
  str: storageClassName volumeAttributesClassName volumeMode volumeName
  str[]: accessModes
  LabelSelector: selector
  TypedLocalObjectReference: dataSource
  TypedObjectReference: dataSourceRef
  VolumeResourceRequirements: resources
TypedLocalObjectReference
  str: apiGroup kind name
TypedObjectReference
  str: apiGroup kind name namespace
VolumeResourceRequirements
  quantity{}: limits requests
HostPathVolumeSource
  str: path type
ImageVolumeSource
  str: pullPolicy reference
NFSVolumeSource
  bool: readOnly
  str: path server
PersistentVolumeClaimVolumeSource
  bool: readOnly
  str: claimName
ProjectedVolumeSource
  int: defaultMode defaultUser
  VolumeProjection[]: sources
VolumeProjection
  ClusterTrustBundleProjection: clusterTrustBundle
  ConfigMapProjection: configMap
  DownwardAPIProjection: downwardAPI
  PodCertificateProjection: podCertificate
  SecretProjection: secret
  ServiceAccountTokenProjection: serviceAccountToken
ClusterTrustBundleProjection
  bool: optional
  int: user
  str: name path signerName
  LabelSelector: labelSelector
ConfigMapProjection
  bool: optional
  str: name
  KeyToPath[]: items
DownwardAPIProjection
  DownwardAPIVolumeFile[]: items
PodCertificateProjection
  int: maxExpirationSeconds user
  str: certificateChainPath credentialBundlePath keyPath keyType signerName
  str{}: userAnnotations
SecretProjection
  bool: optional
  str: name
  KeyToPath[]: items
ServiceAccountTokenProjection
  int: expirationSeconds user
  str: audience path
SecretVolumeSource
  bool: optional
  int: defaultMode defaultUser
  str: secretName
  KeyToPath[]: items
Service
  object: status
  str: apiVersion kind
  ObjectMeta: metadata
  ServiceSpec: spec
ServiceSpec
  bool: allocateLoadBalancerNodePorts publishNotReadyAddresses
  int: healthCheckNodePort
  str: clusterIP externalName externalTrafficPolicy internalTrafficPolicy ipFamilyPolicy
    loadBalancerClass loadBalancerIP sessionAffinity trafficDistribution type
  str[]: clusterIPs externalIPs ipFamilies loadBalancerSourceRanges
  str{}: selector
  ServicePort[]: ports
  SessionAffinityConfig: sessionAffinityConfig
ServicePort
  int: nodePort port
  int-or-str: targetPort
  str: appProtocol name protocol
SessionAffinityConfig
  ClientIPConfig: clientIP
ClientIPConfig
  int: timeoutSeconds
ConfigMap
  bool: immutable
  bytes{}: binaryData
  str: apiVersion kind
  str{}: data
  ObjectMeta: metadata
"""
