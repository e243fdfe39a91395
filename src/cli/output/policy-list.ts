/** The objects of OpenShift that are in force, and what became of each, for `check`. */
import type { ConfigCheck } from '../../config/check.ts';
import type { PolicyObject } from '../../config/policies/policy-object.ts';
import { type Column, formatTable } from './table.ts';

type Checked = Pick<ConfigCheck, 'policies'>;

/** A table, or nothing if no folder of objects is named or in force. */
export function policiesAsText({ policies }: Checked): readonly string[] {
  return policies ? [formatTable(columns, policies)] : [];
}

/** The same as one JSON value. */
export function policiesAsJson(policies: readonly PolicyObject[]): unknown {
  return policies.map((object) => ({
    kind: object.kind,
    name: object.name,
    file: object.origin.file,
    line: object.origin.line,
    ...effectsOf(object),
  }));
}

const columns: readonly Column<PolicyObject>[] = [
  { head: 'object', cell: ({ kind, name }) => (name === '' ? kind : `${kind} ${name}`) },
  { head: 'effect', cell: effectText },
  { head: 'from', cell: ({ origin: { file, line } }) => `${file}:${line}` },
];

/** Names of registries, as the object has them, by what it does to them. */
interface Effects {
  readonly mirrored: readonly string[];
  /** Sources that are never contacted, and blocked registries. */
  readonly blocked: readonly string[];
  readonly insecure: readonly string[];
}

function effectsOf(object: PolicyObject): Effects {
  if (object.kind === 'Image') {
    const texts = (list: typeof object.blocked) => [...new Set(list?.map(({ text }) => text))];
    return { mirrored: [], blocked: texts(object.blocked), insecure: texts(object.insecure) };
  }
  // A list whose only mirror is the source has no effect, nor has its policy.
  const lists = object.lists.filter(({ source, mirrors }) =>
    mirrors.some(({ text }) => text !== source.text),
  );
  const never = lists.filter(({ policy }) => policy?.text === 'NeverContactSource');
  return {
    mirrored: [...new Set(lists.map(({ source }) => source.text))],
    blocked: [...new Set(never.map(({ source }) => source.text))],
    insecure: [],
  };
}

function effectText(object: PolicyObject): string {
  const { mirrored, blocked, insecure } = effectsOf(object);
  const parts = Object.entries({ 'mirrors of': mirrored, 'blocked:': blocked, 'insecure:': insecure })
    .filter(([, names]) => names.length > 0)
    .map(([words, names]) => `${words} ${names.join(', ')}`);
  return parts.join('; ') || 'none';
}
