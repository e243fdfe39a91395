{{/*
Values as TOML. Helm's toToml writes every whole number as a fraction, which entrepot.toml refuses. A null is left out, as Helm leaves
it out of values. In a table: plain values first, then tables, then lists of tables.
*/}}
{{- define "entrepot.toml.key" -}}
{{ if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toRawJson . }}{{ end }}
{{- end }}

{{- define "entrepot.toml.value" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key := keys . | sortAlpha -}}
{{- if not (kindIs "invalid" (get $ $key)) -}}
{{- $pairs = append $pairs (printf "%s = %s" (include "entrepot.toml.key" $key) (include "entrepot.toml.value" (get $ $key))) -}}
{{- end -}}
{{- end -}}
{ {{ join ", " $pairs }} }
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}
{{- $items = append $items (include "entrepot.toml.value" .) -}}
{{- end -}}
[{{ join ", " $items }}]
{{- else if kindIs "string" . -}}
{{ toRawJson . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ printf "%.0f" . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}

{{/* "true" for a list of maps. */}}
{{- define "entrepot.toml.isTables" -}}
{{- if kindIs "slice" . -}}{{- if . -}}{{- if kindIs "map" (first .) -}}true{{- end -}}{{- end -}}{{- end -}}
{{- end }}

{{/* The lines of one table. Argument: { path, table }; the top of the file has the path "". */}}
{{- define "entrepot.toml.table" -}}
{{- $path := .path -}}
{{- $table := .table -}}
{{- $prefix := ternary "" (printf "%s." $path) (eq $path "") -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := get $table $key -}}
{{- $isTable := and (kindIs "map" $value) (eq $path "") -}}
{{- if not (or (kindIs "invalid" $value) $isTable (include "entrepot.toml.isTables" $value)) }}
{{ include "entrepot.toml.key" $key }} = {{ include "entrepot.toml.value" $value }}
{{- end -}}
{{- end -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := get $table $key -}}
{{- if and (kindIs "map" $value) (eq $path "") }}

[{{ include "entrepot.toml.key" $key }}]
{{- include "entrepot.toml.table" (dict "path" $key "table" $value) -}}
{{- end -}}
{{- end -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := get $table $key -}}
{{- if include "entrepot.toml.isTables" $value -}}
{{- range $item := $value }}

[[{{ $prefix }}{{ include "entrepot.toml.key" $key }}]]
{{- range $itemKey := keys $item | sortAlpha -}}
{{- if not (kindIs "invalid" (get $item $itemKey)) }}
{{ include "entrepot.toml.key" $itemKey }} = {{ include "entrepot.toml.value" (get $item $itemKey) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
