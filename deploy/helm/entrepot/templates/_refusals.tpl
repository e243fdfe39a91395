{{/* Values that fit the schema, and do not fit each other. */}}
{{- define "entrepot.refuse" -}}
{{- $values := .Values -}}
{{- if and (eq $values.mode "cluster") (not $values.cluster.secret) -}}
{{- fail "cluster.secret: mode cluster needs a Secret, by which replicas prove themselves. Make it, and name it: kubectl create secret generic entrepot-cluster --from-literal=secret=\"$(head -c 32 /dev/urandom | base64)\"" -}}
{{- end -}}
{{- if and (ne $values.mode "cluster") $values.cluster.secret -}}
{{- fail "cluster.secret has no effect in this mode: set mode to cluster, or leave it out" -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (ne $values.mode "cluster") -}}
{{- fail "autoscaling.enabled: only mode cluster has a number of replicas to change" -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (lt (int $values.autoscaling.maxReplicas) (int $values.autoscaling.minReplicas)) -}}
{{- fail "autoscaling.maxReplicas is less than autoscaling.minReplicas" -}}
{{- end -}}
{{- if and $values.persistence.existingClaim (ne $values.mode "single") -}}
{{- fail "persistence.existingClaim: several replicas cannot share one volume, so only mode single may name a claim" -}}
{{- end -}}
{{- if and $values.tls.enabled (not $values.tls.secret) (not $values.tls.certManager.enabled) -}}
{{- fail "tls.secret: name a Secret with tls.crt and tls.key, or set tls.certManager.enabled" -}}
{{- end -}}
{{- if and $values.tls.certManager.enabled (not $values.tls.enabled) -}}
{{- fail "tls.certManager.enabled makes a certificate that nothing uses: set tls.enabled" -}}
{{- end -}}
{{- if and $values.tls.certManager.enabled (not $values.tls.certManager.issuer.name) -}}
{{- fail "tls.certManager.issuer.name: name an Issuer, or a ClusterIssuer with issuer.kind" -}}
{{- end -}}
{{- if and $values.tls.clientCaSecret (not $values.tls.enabled) -}}
{{- fail "tls.clientCaSecret: clients can only show a certificate over HTTPS: set tls.enabled" -}}
{{- end -}}
{{- if and $values.ca.configMap $values.ca.secret -}}
{{- fail "ca: name a ConfigMap or a Secret, not both" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- fail "ingress.hosts: name at least one host" -}}
{{- end -}}
{{- if and $values.gateway.enabled (not $values.gateway.parentRefs) -}}
{{- fail "gateway.parentRefs: name the Gateway that the route belongs to" -}}
{{- end -}}
{{- if and $values.gateway.enabled (eq $values.gateway.kind "TLSRoute") (not $values.tls.enabled) -}}
{{- fail "gateway.kind: a TLSRoute passes TLS through to Entrepot: set tls.enabled, or choose HTTPRoute" -}}
{{- end -}}
{{- if and (eq $values.gateway.kind "TLSRoute") $values.gateway.enabled (not $values.gateway.hostnames) -}}
{{- fail "gateway.hostnames: a TLSRoute needs the names that clients ask for" -}}
{{- end -}}
{{- if and $values.policies.fromKubernetes (not $values.serviceAccount.create) (not $values.serviceAccount.name) -}}
{{- fail "serviceAccount.name: policies.fromKubernetes gives rights to an account of its own, not to the default one of the namespace" -}}
{{- end -}}
{{- if and $values.accounts.secret (hasKey ($values.config.access | default dict) "htpasswd") -}}
{{- fail "config.access.htpasswd and accounts.secret: set one of them" -}}
{{- end -}}
{{- if and (or $values.ca.configMap $values.ca.secret) (hasKey ($values.config.upstream | default dict) "ca_file") -}}
{{- fail "config.upstream.ca_file and ca: set one of them" -}}
{{- end -}}
{{- end }}
