{{/* A Secret or a part of it as a volume. Argument: { name, secret, items: { key: path } }. */}}
{{- define "entrepot.secretVolume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    {{- with .items }}
    items:
      {{- range $key, $path := . }}
      - { key: {{ $key | quote }}, path: {{ $path | quote }} }
      {{- end }}
    {{- end }}
{{- end }}

{{/* The files that the configuration names: folders of /run/entrepot. */}}
{{- define "entrepot.files" -}}
{{- $values := .Values -}}
{{- $files := list -}}
{{- if $values.tls.enabled -}}
{{- $files = append $files (dict "name" "tls" "secret" (include "entrepot.tlsSecret" .)) -}}
{{- end -}}
{{- if $values.tls.clientCaSecret -}}
{{- $files = append $files (dict "name" "client-ca" "secret" $values.tls.clientCaSecret "items" (dict "ca.crt" "ca.crt")) -}}
{{- end -}}
{{- if $values.accounts.secret -}}
{{- $files = append $files (dict "name" "accounts" "secret" $values.accounts.secret "items" (dict $values.accounts.key "htpasswd")) -}}
{{- end -}}
{{- if $values.registryAuth.secret -}}
{{- $files = append $files (dict "name" "registry-auth" "secret" $values.registryAuth.secret "items" (dict $values.registryAuth.key "auth.json")) -}}
{{- end -}}
{{- if $values.ca.secret -}}
{{- $files = append $files (dict "name" "ca" "secret" $values.ca.secret "items" (dict $values.ca.key "ca.crt")) -}}
{{- end -}}
{{- if eq $values.mode "cluster" -}}
{{- $files = append $files (dict "name" "cluster" "secret" $values.cluster.secret "items" (dict $values.cluster.key "secret")) -}}
{{- end -}}
{{- if $values.facts.secret -}}
{{- $files = append $files (dict "name" "facts" "secret" $values.facts.secret "items" (dict $values.facts.key "url")) -}}
{{- end -}}
{{- range $values.stores -}}
{{- if .secret -}}
{{- $files = append $files (dict "name" (printf "store-%s" .name) "secret" .secret) -}}
{{- end -}}
{{- end -}}
{{ toJson (dict "files" $files) }}
{{- end }}

{{- define "entrepot.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* How the kubelet asks whether the pod may get requests. With client certificates it has none to show. */}}
{{- define "entrepot.readiness" -}}
{{- if .Values.tls.clientCaSecret -}}
exec: { command: [entrepot, health] }
{{- else -}}
httpGet: { path: /readyz, port: registry, scheme: {{ ternary "HTTPS" "HTTP" .Values.tls.enabled }} }
{{- end -}}
{{- end }}

{{/* The template of the pod, in all modes. */}}
{{- define "entrepot.pod" -}}
{{- $values := .Values -}}
{{- $files := (include "entrepot.files" . | fromJson).files -}}
{{- $onNode := eq $values.mode "daemonset" -}}
metadata:
  labels:
    {{- include "entrepot.labels" . | nindent 4 }}
    app.kubernetes.io/component: registry
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/restart: {{ include "entrepot.restartChecksum" . }}
    kubectl.kubernetes.io/default-container: entrepot
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "entrepot.serviceAccount" . }}
  automountServiceAccountToken: {{ $values.policies.fromKubernetes }}
  # A Service called entrepot would set variables such as ENTREPOT_PORT.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- if not (include "entrepot.openshift" .) }}
    runAsUser: {{ $values.security.uid }}
    runAsGroup: {{ $values.security.uid }}
    fsGroup: {{ $values.security.uid }}
    {{- end }}
    fsGroupChangePolicy: OnRootMismatch
    {{- with $values.security.seLinuxType }}
    seLinuxOptions: { type: {{ . }} }
    {{- end }}
    seccompProfile: { type: RuntimeDefault }
  {{- if and $onNode $values.daemonset.hostPath $values.daemonset.prepare }}
  initContainers:
    # The kubelet makes the folder for root, and fsGroup has no effect on folders of a node.
    - name: prepare
      image: {{ include "entrepot.image" . }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      # By Node, because the image of deploy/image has no chown.
      command: [node, -e, "fs.chownSync('/var/lib/entrepot', {{ $values.security.uid }}, {{ $values.security.uid }})"]
      securityContext:
        runAsNonRoot: false
        runAsUser: 0
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL], add: [CHOWN] }
      resources:
        requests: { cpu: 10m, memory: 64Mi }
        limits: { memory: 128Mi }
      volumeMounts:
        - { name: data, mountPath: /var/lib/entrepot }
  {{- end }}
  containers:
    - name: entrepot
      image: {{ include "entrepot.image" . }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [serve]
      ports:
        - name: registry
          containerPort: 5000
          protocol: TCP
          {{- if $onNode }}
          hostPort: {{ $values.daemonset.hostPort }}
          {{- with $values.daemonset.hostIP }}
          hostIP: {{ . }}
          {{- end }}
          {{- end }}
      {{- if or (eq $values.mode "cluster") $values.registries $values.registryAuth.secret $values.extraEnv }}
      env:
        {{- if $values.registries }}
        - { name: ENTREPOT_REGISTRIES, value: /etc/entrepot/registries.conf }
        {{- end }}
        {{- if eq $values.mode "cluster" }}
        - name: ENTREPOT_CLUSTER_SELF
          valueFrom: { fieldRef: { fieldPath: status.podIP } }
        {{- end }}
        {{- if $values.registryAuth.secret }}
        - { name: REGISTRY_AUTH_FILE, value: /run/entrepot/registry-auth/auth.json }
        {{- end }}
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      securityContext:
        {{- include "entrepot.securityContext" . | nindent 8 }}
      # An index that needs a repair may take minutes.
      startupProbe:
        exec: { command: [entrepot, health] }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 60
      readinessProbe:
        {{- include "entrepot.readiness" . | nindent 8 }}
        periodSeconds: 5
        timeoutSeconds: 5
      livenessProbe:
        exec: { command: [entrepot, health] }
        periodSeconds: 30
        timeoutSeconds: 5
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - { name: data, mountPath: /var/lib/entrepot }
        - { name: config, mountPath: /etc/entrepot, readOnly: true }
        {{- range $files }}
        - { name: {{ .name }}, mountPath: /run/entrepot/{{ .name }}, readOnly: true }
        {{- end }}
        {{- if $values.ca.configMap }}
        - { name: ca, mountPath: /run/entrepot/ca, readOnly: true }
        {{- end }}
        {{- range $index, $_ := $values.secrets }}
        - { name: secret-{{ $index }}, mountPath: /run/secrets/{{ . }}, readOnly: true }
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ include "entrepot.fullname" . }} }
    {{- range $files }}
    {{- include "entrepot.secretVolume" . | nindent 4 }}
    {{- end }}
    {{- with $values.ca.configMap }}
    - name: ca
      configMap: { name: {{ . }}, items: [{ key: {{ $values.ca.key | quote }}, path: ca.crt }] }
    {{- end }}
    {{- range $index, $_ := $values.secrets }}
    {{- include "entrepot.secretVolume" (dict "name" (printf "secret-%d" $index) "secret" .) | nindent 4 }}
    {{- end }}
    {{- if $onNode }}
    - name: data
      {{- if $values.daemonset.hostPath }}
      hostPath: { path: {{ $values.daemonset.hostPath }}, type: DirectoryOrCreate }
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- else if $values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim: { claimName: {{ $values.persistence.existingClaim }} }
    {{- else if not $values.persistence.enabled }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml $values.topologySpreadConstraints | nindent 4 }}
  {{- else if eq $values.mode "cluster" }}
  topologySpreadConstraints:
    {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "entrepot.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end }}
