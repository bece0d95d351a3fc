{{/* What hub.yaml says: hub.config goes over what the chart sets. */}}
{{- define "memwatch.hubConfig" -}}
{{- $own := dict "listen" "0.0.0.0:4000" "data" "/var/lib/memwatch"
      "tls" (dict "cert" "/etc/memwatch/tls/tls.crt" "key" "/etc/memwatch/tls/tls.key")
      "auth" (dict "required" true) }}
{{- with .Values.shared }}
{{- if .enabled }}
{{- $_ := set $own "store" (required "shared.store is missing: want postgres://user@host:5432/database" .store) }}
{{- $_ := set $own "blobs" (required "shared.blobs is missing: want s3://bucket" .blobs) }}
{{- end }}
{{- end }}
{{- mergeOverwrite $own .Values.hub.config | toYaml }}
{{- end }}

{{- define "memwatch.hubPod" -}}
metadata:
  labels:
    app.kubernetes.io/name: memwatch-hub
  annotations: # another configuration makes other pods
    checksum/config: {{ include "memwatch.hubConfig" . | sha256sum }}
spec:
  serviceAccountName: memwatch-hub
  automountServiceAccountToken: false
  {{- include "memwatch.pullSecrets" . | nindent 2 }}
  terminationGracePeriodSeconds: 30
  securityContext:
    {{- include "memwatch.podSecurity" . | nindent 4 }}
    fsGroupChangePolicy: OnRootMismatch
  {{- if .Values.shared.enabled }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          app.kubernetes.io/name: memwatch-hub
  {{- end }}
  containers:
    - name: hub
      image: {{ .Values.image.hub }}:{{ include "memwatch.tag" . }}
      args: [serve, --config, /etc/memwatch/config/hub.yaml]
      {{- include "memwatch.hubEnv" .Values.shared | nindent 6 }}
      ports:
        - name: https
          containerPort: 4000
      startupProbe:
        httpGet: {path: /healthz, port: https, scheme: HTTPS}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: https, scheme: HTTPS}
        periodSeconds: 20
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: https, scheme: HTTPS}
        periodSeconds: 5
        timeoutSeconds: 3
      resources:
        {{- toYaml .Values.hub.resources | nindent 8 }}
      securityContext:
        {{- include "memwatch.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/memwatch/config, readOnly: true}
        - {name: tls, mountPath: /etc/memwatch/tls, readOnly: true}
        - {name: data, mountPath: /var/lib/memwatch}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap:
        name: memwatch-hub
    - name: tls
      secret:
        secretName: {{ .Values.tls.secret }}
        defaultMode: 0440
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    {{- if .Values.shared.enabled }}
    - name: data
      emptyDir:
        sizeLimit: 2Gi
    {{- end }}
  {{- with .Values.hub.pod }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "memwatch.hubEnv" -}}
{{- if .enabled }}
env:
  - name: PGPASSWORD
    valueFrom:
      secretKeyRef: {name: {{ .passwordSecret.name }}, key: {{ .passwordSecret.key }}}
  {{- if .awsSecret }}
  - name: AWS_ACCESS_KEY_ID
    valueFrom:
      secretKeyRef: {name: {{ .awsSecret }}, key: AWS_ACCESS_KEY_ID}
  - name: AWS_SECRET_ACCESS_KEY
    valueFrom:
      secretKeyRef: {name: {{ .awsSecret }}, key: AWS_SECRET_ACCESS_KEY}
  {{- end }}
{{- end }}
{{- end }}
