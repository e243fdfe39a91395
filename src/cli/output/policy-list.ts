/** The objects of OpenShift that are in force, and what became of each, for `check`. */

import { effectsOf } from '../../admin/config-as-json.ts';
import type { ConfigCheck } from '../../config/check.ts';
import type { PolicyObject } from '../../config/policies/policy-object.ts';
import { type Column, formatTable } from './table.ts';

type Checked = Pick<ConfigCheck, 'policies'>;

/** A table, or nothing if no folder of objects is named or in force. */
export function policiesAsText({ policies }: Checked): readonly string[] {
  return policies ? [formatTable(columns, policies)] : [];
}

const columns: readonly Column<PolicyObject>[] = [
  { head: 'object', cell: ({ kind, name }) => (name === '' ? kind : `${kind} ${name}`) },
  { head: 'effect', cell: effectText },
  { head: 'from', cell: ({ origin: { file, line } }) => `${file}:${line}` },
];

function effectText(object: PolicyObject): string {
  const { mirrored, blocked, insecure } = effectsOf(object);
  const parts = Object.entries({ 'mirrors of': mirrored, 'blocked:': blocked, 'insecure:': insecure })
    .filter(([, names]) => names.length > 0)
    .map(([words, names]) => `${words} ${names.join(', ')}`);
  return parts.join('; ') || 'none';
}
