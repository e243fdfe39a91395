/**
 * Scopes: the texts by which OpenShift names registries and parts of them.
 *
 *   source   host[:port][/path], or *.host       patterns of the schemas of ImageDigestMirrorSet and ImageTagMirrorSet
 *   mirror   host[:port][/path]
 *   scope    any text without `*`, or `*.` and a text without any of / @ : *
 *
 * The host may have one label. A path component is lower-case letters and digits, with one of `.`, `_`, `__` or dashes between them.
 * Neither tag nor digest is possible.
 */

const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const mirrorForm = new RegExp(`^${label}(?:\\.${label})*(?::[0-9]+)?(?:/${component})*$`);
const wildcardForm = new RegExp(`^\\*(?:\\.${label})+$`);

/** Characters. Longer ones cannot be part of an image name, and the time of the patterns grows with the square of a label's length. */
const maxLength = 4096;

/** Whether it has the form of a source. */
export function isSource(text: string): boolean {
  return isMirror(text) || (text.length <= maxLength && wildcardForm.test(text));
}

/** Whether it has the form of a mirror. */
export function isMirror(text: string): boolean {
  return text.length <= maxLength && mirrorForm.test(text);
}

/** Whether it may be in `insecureRegistries`, `blockedRegistries` or `allowedRegistries`. */
export function isScope(text: string): boolean {
  if (!text.includes('*')) return text !== '';
  return isWildcard(text) && !/[/@:*]/.test(text.slice(2));
}

/** Whether it stands for all hosts of a domain: `*.example.com`. */
export function isWildcard(scope: string): boolean {
  return scope.startsWith('*.');
}

/**
 * Whether `scope` is `outer` or a part of it. Other than in the matching of registries.conf, a port belongs to the host: `q.io:443` is no
 * part of `q.io`. It is a part of the wildcard `*.io`, which has no port.
 */
export function isNested(scope: string, outer: string): boolean {
  if (scope === outer || scope.startsWith(`${outer}/`)) return true;
  if (!isWildcard(outer)) return false;
  const suffix = outer.slice(1);
  const colon = scope.indexOf(':');
  if (colon < 0) return hostPart(scope).endsWith(suffix);
  const beforeColon = scope.slice(0, colon);
  return !beforeColon.includes('/') && beforeColon.endsWith(suffix);
}

function hostPart(scope: string): string {
  const slash = scope.indexOf('/');
  return slash < 0 ? scope : scope.slice(0, slash);
}
