/** The chart in deploy/helm, and what it renders, as objects. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

const deploy = join(import.meta.dirname, '..', '..', 'deploy');
/** Folders. */
export const chart = join(deploy, 'helm/entrepot');
export const examples = join(deploy, 'helm/examples');

/** Files of the chart that are copies, and what they are copies of: npm leaves links out of a package. */
export const copies = [
  { copy: join(chart, 'files/alerts.yaml'), of: join(deploy, 'prometheus/alerts.yaml') },
  { copy: join(chart, 'files/dashboard.json'), of: join(deploy, 'grafana/entrepot.json') },
];

/** Names of the files of values that come with the chart, without their ending. */
export const exampleNames = readdirSync(examples).map((file) => basename(file, '.yaml'));

export const values = parse(readFileSync(join(chart, 'values.yaml'), 'utf8')) as Record<string, unknown>;
export const schema = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')) as Schema;

export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

/** An object of Kubernetes, as far as the tests read it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  /** Of a role. */
  readonly rules?: readonly Readonly<Record<'apiGroups' | 'resources' | 'verbs', readonly string[]>>[];
  readonly spec?: {
    readonly template?: { readonly spec: PodSpec };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  } & Partial<PodSpec>;
}

export interface PodSpec {
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly hostPath?: object;
    readonly secret?: { readonly secretName: string; readonly items?: readonly { readonly path: string }[] };
    readonly configMap?: { readonly name: string; readonly items?: readonly { readonly path: string }[] };
  }[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly securityContext: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
    readonly runAsUser?: number;
  };
  readonly command?: readonly string[];
  readonly resources?: Readonly<Record<'requests' | 'limits', Readonly<Record<string, string>> | undefined>>;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly ports?: readonly { readonly hostPort?: number }[];
  readonly startupProbe?: unknown;
  readonly readinessProbe?: unknown;
  readonly livenessProbe?: unknown;
}

/** The objects of what `helm template` printed. */
export function objectsOf(rendered: string): readonly KubernetesObject[] {
  return parseAllDocuments(rendered)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
}

/** The pods that an object makes, or is. */
export function podsOf({ kind, spec }: KubernetesObject): readonly PodSpec[] {
  if (kind === 'Pod') return [spec as PodSpec];
  return spec?.template ? [spec.template.spec] : [];
}
