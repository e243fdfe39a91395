{{/* entrepot.toml: `config`, and what other values say. */}}
{{- define "entrepot.configValues" -}}
{{- $values := .Values -}}
{{- $config := deepCopy $values.config -}}
{{- $_ := set $config "listen" "0.0.0.0:5000" -}}
{{- $_ = set $config "data" "/var/lib/entrepot" -}}
{{- if $values.policies.fromKubernetes -}}
{{- $_ = set $config "policies_from" "kubernetes" -}}
{{- end -}}
{{- if $values.tls.enabled -}}
{{- $tls := dict "certificate" "/run/entrepot/tls/tls.crt" "key" "/run/entrepot/tls/tls.key" -}}
{{- if $values.tls.clientCaSecret -}}
{{- $_ = set $tls "client_ca" "/run/entrepot/client-ca/ca.crt" -}}
{{- end -}}
{{- $_ = set $config "tls" $tls -}}
{{- end -}}
{{- if $values.accounts.secret -}}
{{- $_ = set $config "access" (merge (dict "htpasswd" "/run/entrepot/accounts/htpasswd") ($config.access | default dict)) -}}
{{- end -}}
{{- if or $values.ca.configMap $values.ca.secret -}}
{{- $_ = set $config "upstream" (merge (dict "ca_file" "/run/entrepot/ca/ca.crt") ($config.upstream | default dict)) -}}
{{- end -}}
{{- if eq $values.mode "cluster" -}}
{{- $dns := printf "%s.%s.svc:5000" (include "entrepot.peers" .) .Release.Namespace -}}
{{- $_ = set $config "cluster" (dict "dns" $dns "secret_file" "/run/entrepot/cluster/secret" "keep" $values.cluster.keep) -}}
{{- end -}}
{{- if $values.facts.secret -}}
{{- $_ = set $config "facts" (dict "url_file" "/run/entrepot/facts/url" "gone_after" $values.facts.goneAfter) -}}
{{- end -}}
{{- $stores := list -}}
{{- range $values.stores -}}
{{- $store := omit . "secret" -}}
{{- if .secret -}}
{{- $folder := printf "/run/entrepot/store-%s" .name -}}
{{- if eq .kind "azure" -}}
{{- $_ = set $store "account_key_file" (printf "%s/account-key" $folder) -}}
{{- else -}}
{{- $_ = set $store "access_key_file" (printf "%s/access-key" $folder) -}}
{{- $_ = set $store "secret_key_file" (printf "%s/secret-key" $folder) -}}
{{- end -}}
{{- end -}}
{{- $stores = append $stores $store -}}
{{- end -}}
{{- if $stores -}}
{{- $_ = set $config "store" $stores -}}
{{- end -}}
{{ toJson $config }}
{{- end }}

{{- define "entrepot.config" -}}
# Made by the chart from its values.
{{- include "entrepot.toml.table" (dict "path" "" "table" (include "entrepot.configValues" . | fromJson)) }}
{{- end }}

{{/* What takes effect at a start only (docs/configuration.md): a change of it is a rollout, every other change a reload. */}}
{{- define "entrepot.restartChecksum" -}}
{{- $config := include "entrepot.configValues" . | fromJson -}}
{{- $fixed := pick $config "listen" "data" "policies_from" "cluster" "facts" "store" "store_preference" "tracing" -}}
{{- list $fixed (hasKey $config "tls") (dig "log" "format" "" $config) | toJson | sha256sum -}}
{{- end }}
