/**
 * Objects of OpenShift: ImageDigestMirrorSet (idms), ImageTagMirrorSet (itms), and ImageContentSourcePolicy (icsp), which older clusters have in
 * place of the first. `config/policies` reads them. They hold mirrors, and nothing but mirrors, of a source:
 *
 *   mirror for            idms, icsp    itms
 *   digests and tags      yes           yes      both objects together say what registries.conf says
 *   digests               yes           no
 *   tags                  no            yes
 */
import { isMirror, isNested, isSource } from '../policies/scopes.ts';
import { isRenamed, isWildcard, mirrorName, type NodeEntry, type NodeMirror } from './node-entry.ts';
import { comment, type RenderPlan } from './plan.ts';
import { noPathName } from './registries-conf-text.ts';
import type { RenderedFile, Warn } from './rendered.ts';

interface SetFormat {
  readonly apiVersion: string;
  readonly kind: string;
  readonly list: string;
  /** The mirrors that it cannot hold. */
  readonly other: NodeMirror['serves'];
  readonly hasPolicy: boolean;
}

const newer = { apiVersion: 'config.openshift.io/v1', hasPolicy: true };
const formats: Readonly<Record<'idms' | 'itms' | 'icsp', SetFormat>> = {
  idms: { ...newer, kind: 'ImageDigestMirrorSet', list: 'imageDigestMirrors', other: 'tag-only' },
  itms: { ...newer, kind: 'ImageTagMirrorSet', list: 'imageTagMirrors', other: 'digest-only' },
  icsp: {
    apiVersion: 'operator.openshift.io/v1alpha1',
    kind: 'ImageContentSourcePolicy',
    list: 'repositoryDigestMirrors',
    other: 'tag-only',
    hasPolicy: false,
  },
};

/** One file, `idms.yaml`, `itms.yaml` or `icsp.yaml`, with one object. */
export function mirrorSet(name: 'idms' | 'itms' | 'icsp', plan: RenderPlan): readonly RenderedFile[] {
  const format = formats[name];
  const { entries, header, mirrorOf, warn } = plan;
  if (mirrorOf?.ca !== undefined) {
    const message = `${format.kind} names no CA: add ${mirrorOf.ca} to the ConfigMap of spec.additionalTrustedCA of Image "cluster"`;
    warn({ mirror: mirrorOf.host }, '--ca', message);
  }
  if (mirrorOf) {
    warn({ mirror: mirrorOf.host }, 'pull-from-mirror', half(format));
    if (mirrorOf.insecure || mirrorOf.scheme === 'http') {
      warn({ mirror: mirrorOf.host }, 'insecure', registrySources('insecureRegistries', mirrorOf.host));
    }
  }
  const sources = entries.flatMap((entry) => sourceOf(entry, format, entries, warn));
  const text = [
    comment(header),
    `apiVersion: ${format.apiVersion}\nkind: ${format.kind}\nmetadata:\n  name: entrepot\nspec:\n`,
    `  ${format.list}:${sources.length === 0 ? ' []' : ''}\n`,
    ...sources,
  ];
  return [{ path: `${name}.yaml`, text: text.join('') }];
}

function sourceOf(
  entry: NodeEntry,
  format: SetFormat,
  entries: readonly NodeEntry[],
  warn: Warn,
): string | readonly [] {
  const { prefix, mirrors } = entry;
  warnOfSource(entry, format, entries, warn);
  if (mirrors.length === 0) return [];
  if (!isSource(prefix)) {
    warn(
      { entry: prefix },
      'prefix',
      `${format.kind} takes no source of this form: its mirrors are left out`,
    );
    return [];
  }
  const locations = mirrors.flatMap((mirror) => locationOf(entry, mirror, format, warn));
  const unique = [...new Set(locations)];
  for (const location of locations.filter((one, at) => locations.indexOf(one) !== at)) {
    warn(
      { entry: prefix, mirror: location },
      'location',
      `is written once: mirrors of ${format.kind} are a set`,
    );
  }
  if (unique.at(-1) === prefix) {
    const message = 'is the source itself and comes last, where OpenShift leaves it out';
    warn({ entry: prefix, mirror: prefix }, 'location', message);
  }
  if (!unique.some((location) => location !== prefix)) {
    if (entry.blocked) warn({ entry: prefix }, 'blocked', registrySources('blockedRegistries', prefix));
    return [];
  }
  const policy = entry.blocked && format.hasPolicy ? '    mirrorSourcePolicy: NeverContactSource\n' : '';
  const list = unique.map((location) => `    - ${JSON.stringify(location)}\n`).join('');
  return `  - source: ${JSON.stringify(prefix)}\n${policy}    mirrors:\n${list}`;
}

function locationOf(
  entry: NodeEntry,
  mirror: NodeMirror,
  format: SetFormat,
  warn: Warn,
): string | readonly [] {
  const { prefix } = entry;
  const { kind, other } = format;
  const tell = (key: string, message: string) =>
    warn({ entry: prefix, mirror: mirrorName(mirror) }, key, message);
  const { location, serves } = mirror;
  if (location === undefined) {
    tell('location', noPathName);
    return [];
  }
  if (serves === other) {
    const where = other === 'tag-only' ? 'tags: render itms, too' : 'digests: render idms, too';
    tell('pull-from-mirror', `is left out, because it is for ${where}`);
    return [];
  }
  if (!isMirror(location)) {
    tell('location', `${kind} takes no mirror of this form: it is left out`);
    return [];
  }
  if (location === prefix && entry.blocked) {
    tell('location', 'is left out: the source is no mirror of itself if it must not be contacted');
    return [];
  }
  if (mirror.entrepot) return location;
  if (serves === 'all') tell('pull-from-mirror', half(format));
  if (mirror.insecure) tell('insecure', registrySources('insecureRegistries', location));
  if (mirror.namespaceProxy !== undefined)
    tell('namespace-proxy', `${kind} has no such key: the mirror gets no ns=`);
  return location;
}

/** What an entry says besides its mirrors. */
function warnOfSource(
  entry: NodeEntry,
  { kind, hasPolicy }: SetFormat,
  entries: readonly NodeEntry[],
  warn: Warn,
): void {
  const { prefix, location, insecure, blocked, mirrors, namespaceProxy } = entry;
  const tell = (key: string, message: string) => warn({ entry: prefix }, key, message);
  if (blocked && (mirrors.length === 0 || !hasPolicy))
    tell('blocked', registrySources('blockedRegistries', prefix));
  if (blocked) return;
  if (isRenamed(entry))
    tell('location', `${kind} has no other place for a source: "${prefix}" is asked, not "${location}"`);
  if (insecure) tell('insecure', registrySources('insecureRegistries', prefix));
  if (namespaceProxy !== undefined)
    tell('namespace-proxy', `${kind} has no such key: the source gets no ns=`);
  if (mirrors.length > 0) return;
  const outer = entries.find((one) => one.mirrors.length > 0 && one !== entry && covers(one.prefix, prefix));
  if (outer) tell('mirrors', `has none here, but OpenShift gives it those of "${outer.prefix}"`);
}

/** Whether `outer` is for names of the entry `prefix` as soon as there is no such entry. */
function covers(outer: string, prefix: string): boolean {
  if (isNested(prefix, outer) || prefix.startsWith(`${outer}:`)) return true;
  // `*.a.io` wins over `b.a.io`, which is as long.
  return isWildcard({ prefix }) && isNested(outer, prefix) && outer.length <= prefix.length;
}

function half({ kind, other }: SetFormat): string {
  return other === 'tag-only'
    ? `mirrors of ${kind} are for digests alone: render itms, too`
    : `mirrors of ${kind} are for tags alone: render idms, too`;
}

function registrySources(list: string, scope: string): string {
  return `add ${JSON.stringify(scope)} to spec.registrySources.${list} of Image "cluster"`;
}
