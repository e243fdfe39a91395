/**
 * What is known of one kind of objects:
 *
 *   unknown ----> listed <----> unreachable, forbidden     the objects stay as they were known last
 *                 absent: the cluster has no such kind, so there are none
 *
 * Of an object only what counts is kept: its name and its spec.
 */
import { isJsonObject } from '../oci/parse-json.ts';

/** A kind and its place in the API. */
export interface ObjectKind {
  readonly kind: string;
  readonly apiVersion: string;
  /** Its name in paths. */
  readonly resource: string;
}

/** The kinds that are watched. The Image of a cluster is not. */
export const watchedKinds: readonly ObjectKind[] = [
  { kind: 'ImageDigestMirrorSet', apiVersion: 'config.openshift.io/v1', resource: 'imagedigestmirrorsets' },
  { kind: 'ImageTagMirrorSet', apiVersion: 'config.openshift.io/v1', resource: 'imagetagmirrorsets' },
  {
    kind: 'ImageContentSourcePolicy',
    apiVersion: 'operator.openshift.io/v1alpha1',
    resource: 'imagecontentsourcepolicies',
  },
];

export type TableState = 'unknown' | 'listed' | 'absent' | 'forbidden' | 'unreachable';

export interface ObjectTable {
  readonly of: ObjectKind;
  readonly state: TableState;
  /** Why the objects cannot be read. */
  readonly reason: string | undefined;
  /** Texts of JSON, in the order of their names; undefined before the first list. */
  readonly objects: readonly string[] | undefined;
  /** A whole list. A sentence if it cannot be taken; the old one stays then. */
  replace(items: readonly unknown[]): string | undefined;
  /** One event of a watch. A sentence if the object cannot be taken. */
  put(object: unknown): string | undefined;
  drop(object: unknown): string | undefined;
  /** There is no such kind. */
  clear(): void;
  failed(state: 'forbidden' | 'unreachable', reason: string): void;
  /** The watch works. */
  watched(): void;
}

const mostObjects = 5000;
/** Bytes of all objects of a kind. */
const mostBytes = 2 * 1024 * 1024;

/** `changed` is called after each change of state or objects. */
export function createObjectTable(of: ObjectKind, changed: (table: ObjectTable) => void): ObjectTable {
  let state: TableState = 'unknown';
  let reason: string | undefined;
  let objects: ReadonlyMap<string, string> | undefined;

  function become(next: TableState, why?: string): void {
    state = next;
    reason = why;
    changed(table);
  }

  function take(next: ReadonlyMap<string, string>): string | undefined {
    const bytes = [...next.values()].reduce((sum, text) => sum + text.length, 0);
    if (next.size > mostObjects || bytes > mostBytes) {
      return `there are more than ${mostObjects} objects, or more than ${mostBytes} bytes of them`;
    }
    objects = next;
    become('listed');
    return undefined;
  }

  const table: ObjectTable = {
    of,
    get state() {
      return state;
    },
    get reason() {
      return reason;
    },
    get objects() {
      return objects && [...objects].sort(byName).map(([, text]) => text);
    },
    replace(items) {
      const read = items.map((item) => readObject(item, of));
      const wrong = read.find((item) => typeof item === 'string');
      if (wrong !== undefined) return wrong;
      return take(new Map(read.filter((item) => typeof item !== 'string')));
    },
    put(object) {
      const read = readObject(object, of);
      if (typeof read === 'string') return read;
      return take(new Map([...(objects ?? []), read]));
    },
    drop(object) {
      const read = readObject(object, of);
      if (typeof read === 'string') return read;
      return take(new Map([...(objects ?? [])].filter(([name]) => name !== read[0])));
    },
    clear() {
      objects = new Map();
      become('absent');
    },
    failed: become,
    watched() {
      if (state !== 'listed') become('listed');
    },
  };
  return table;
}

function byName([one]: readonly [string, string], [other]: readonly [string, string]): number {
  return one < other ? -1 : 1;
}

/** Name and text; a sentence if it is no object. The items of a list do not say their kind. */
function readObject(value: unknown, { kind, apiVersion }: ObjectKind): readonly [string, string] | string {
  const metadata = isJsonObject(value) ? value.metadata : undefined;
  const name = isJsonObject(metadata) ? metadata.name : undefined;
  if (!isJsonObject(value) || typeof name !== 'string' || name === '' || name.length > 253) {
    return `an object of the kind ${kind} has no name`;
  }
  const { spec } = value;
  return [name, JSON.stringify({ apiVersion, kind, metadata: { name }, spec }, undefined, 1)];
}
