/**
 * Schemas for kubeconform, strict, without a cluster: the OpenAPI documents of Kubernetes come from a Go module that has them as
 * files, those of custom resources from `test/support/helm/custom-resources.json`, with the fields that the chart uses.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment, run } from './programs.ts';

const openApiModule = 'sigs.k8s.io/kubectl-validate@v0.0.4';
const customResources = join(import.meta.dirname, '../../support/helm/custom-resources.json');

type Schema = Record<string, unknown> & { properties?: Record<string, unknown> };
interface OpenApi {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The folder of a Kubernetes version, such as `1.30`, with its OpenAPI documents. Go fetches it once. */
async function openApiFolder(version: string, env: Environment): Promise<string> {
  const { Dir } = JSON.parse(await run('go', ['mod', 'download', '-json', openApiModule], env));
  return join(Dir, 'pkg/openapiclient/builtins', version);
}

/** Fills `folder` with a file for each kind; gives what kubeconform wants as `-schema-location`. */
export async function writeSchemas(folder: string, version: string, env: Environment): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const source = await openApiFolder(version, env);
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.json')) writeKinds(JSON.parse(readFileSync(join(source, file), 'utf8')), folder);
  }
  const custom = JSON.parse(readFileSync(customResources, 'utf8')) as Record<string, Record<string, unknown>>;
  for (const [name, spec] of Object.entries(custom)) {
    const properties = {
      ...{ apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' } },
      spec: { type: 'object', additionalProperties: false, properties: spec },
    };
    const schema = { type: 'object', additionalProperties: false, required: ['spec'], properties };
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(schema));
  }
  return join(folder, '{{.ResourceKind}}{{.KindSuffix}}.json');
}

function writeKinds({ components }: OpenApi, folder: string): void {
  // A field that the API would drop is a mistake.
  for (const schema of Object.values(components.schemas)) {
    if (schema.properties && schema.additionalProperties === undefined) schema.additionalProperties = false;
  }
  for (const [name, schema] of Object.entries(components.schemas)) {
    const kinds = (schema['x-kubernetes-group-version-kind'] ?? []) as readonly Record<string, string>[];
    const [first] = kinds;
    if (kinds.length !== 1 || !first) continue;
    const { group = '', version = '', kind = '' } = first;
    const [prefix = ''] = group.split('.');
    const file = [kind, prefix, version].filter((part) => part !== '').join('-');
    const whole = { $ref: `#/components/schemas/${name}`, components };
    writeFileSync(join(folder, `${file.toLowerCase()}.json`), JSON.stringify(whole));
  }
}
