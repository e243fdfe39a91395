/**
 * What must hold over all objects together before any of them takes effect. These are the checks of OpenShift's machine-config-operator:
 *
 *   every scope, source, mirror and search registry has its form
 *   all lists of one source, of all kinds, have the same mirrorSourcePolicy; an absent one is AllowContactingSource, as is that of
 *   every ImageContentSourcePolicy
 *   a source with NeverContactSource is not among its own mirrors
 */
import type { EntrepotError } from '../../errors.ts';
import { isDomain } from '../../oci/reference.ts';
import { invalidObject, quoted } from './object-fields.ts';
import type { ImageConfig, MirrorList, Placed, PolicyObject } from './policy-object.ts';
import { isMirror, isScope, isSource } from './scopes.ts';

const sourceForm =
  'a source is host[:port][/path], in lower case after the host, or *.host; without tag and digest';
const mirrorForm =
  'a mirror is host[:port][/path], in lower case after the host; without wildcard, tag and digest';
const scopeForm = 'a registry is host[:port][/path], or *.host';

/** Everything that is wrong, in the order of the objects. */
export function problemsOf(objects: readonly PolicyObject[]): readonly EntrepotError[] {
  /** Source -> the policy of its first list. */
  const policies = new Map<string, Placed>();
  return objects.flatMap((object) =>
    object.kind === 'Image'
      ? problemsOfScopes(object)
      : object.lists.flatMap((list) => problemsOfList(list, policies)),
  );
}

function problemsOfScopes({ insecure, blocked, allowed, search }: ImageConfig): readonly EntrepotError[] {
  const lists = { insecureRegistries: insecure, blockedRegistries: blocked, allowedRegistries: allowed };
  const wrong = (
    list: readonly Placed[] | undefined,
    name: string,
    form: string,
    fits: (text: string) => boolean,
  ) =>
    (list ?? [])
      .filter(({ text }) => !fits(text))
      .map((one) => problem(one, `${quoted(one.text)} in ${name} has not the right form: ${form}`));
  return [
    ...Object.entries(lists).flatMap(([name, scopes]) => wrong(scopes, name, scopeForm, isScope)),
    ...wrong(search, 'containerRuntimeSearchRegistries', 'it must be host or host:port', (text) =>
      isDomain(plainHost(text)),
    ),
  ];
}

/** A search registry as runtimes read it. */
export function plainHost(text: string): string {
  return text.replace(/\/+$/, '');
}

function problemsOfList(list: MirrorList, policies: Map<string, Placed>): readonly EntrepotError[] {
  const { source, mirrors } = list;
  const problems: EntrepotError[] = [];
  if (!isSource(source.text)) {
    problems.push(problem(source, `the source ${quoted(source.text)} has not the right form: ${sourceForm}`));
  }
  const policy = {
    text: list.policy?.text ?? 'AllowContactingSource',
    origin: (list.policy ?? source).origin,
  };
  const first = policies.get(source.text) ?? policy;
  policies.set(source.text, first);
  if (first.text !== policy.text) problems.push(problem(policy, conflict(source, policy, first)));
  for (const mirror of mirrors) {
    if (!isMirror(mirror.text)) {
      problems.push(
        problem(mirror, `the mirror ${quoted(mirror.text)} has not the right form: ${mirrorForm}`),
      );
    } else if (policy.text === 'NeverContactSource' && mirror.text === source.text) {
      const message = `the source ${quoted(source.text)} is one of its mirrors, and mirrorSourcePolicy is NeverContactSource`;
      problems.push(problem(mirror, `${message}: leave out one of them`));
    }
  }
  return problems;
}

function conflict(source: Placed, policy: Placed, { text, origin }: Placed): string {
  const { file, line } = origin;
  return (
    `conflicting mirrorSourcePolicy for the source ${quoted(source.text)}: it is ${policy.text} here and ${text} in ` +
    `${file}:${line} (an absent one is AllowContactingSource); all lists of a source must agree`
  );
}

function problem({ origin }: Placed, message: string): EntrepotError {
  return invalidObject(origin, message);
}
