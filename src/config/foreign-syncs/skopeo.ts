/**
 * The file of `skopeo sync --src yaml` (skopeo-sync(1)):
 *
 *   HOST:
 *     images: { REPOSITORY: [TAG or DIGEST ...] }          no list: all tags
 *     images-by-tag-regex: { REPOSITORY: REGEX }           Go syntax, which is RE2; it may match a part of the tag
 *     images-by-semver: { REPOSITORY: RANGE }              Masterminds/semver, where a comma means "and"
 *     credentials, tls-verify, cert-dir
 *
 * skopeo copies no referrers, so neither do the blocks.
 */
import { parseDigest } from '../../oci/digest.ts';
import { parseReference, parseTag, referenceName } from '../../oci/reference.ts';
import type { YamlMap, YamlValue } from '../yaml/yaml-document.ts';
import { entriesOf, itemsOf, type Losses, type SyncDraft, textOf } from './sync-draft.ts';

const selections = ['images', 'images-by-tag-regex', 'images-by-semver'];

/** Whether a file has the shape of one of skopeo. */
export function isSkopeoFile(root: YamlMap): boolean {
  return [...root.entries.values()].some((host) => selections.some((key) => entriesOf(host).has(key)));
}

/** One draft for each repository of each selection. */
export function draftsOfSkopeo(root: YamlMap, losses: Losses): readonly SyncDraft[] {
  return [...root.entries].flatMap(([host, settings]) =>
    [...entriesOf(settings)].flatMap(([key, value]) => {
      if (!selections.includes(key)) {
        warnOfSetting(host, key, value, losses);
        return [];
      }
      return [...entriesOf(value)].flatMap(([repository, selected]) => {
        const { line } = selected;
        const parsed = parseReference(`${host}/${repository}`);
        if (!parsed.ok || parsed.value.tag !== undefined || parsed.value.digest !== undefined) {
          losses.leaveOut(line, `"${host}/${repository}" ${parsed.ok ? 'is no repository' : parsed.problem}`);
          return [];
        }
        const source = referenceName(parsed.value);
        const rest = { line, source, referrers: 'none' as const, times: {} };
        return selectionsOf(key, source, selected, losses).map((selection) => ({ ...rest, ...selection }));
      });
    }),
  );
}

type Selection = Pick<SyncDraft, 'tags' | 'digests'>;

function selectionsOf(
  key: string,
  source: string,
  selected: YamlValue,
  losses: Losses,
): readonly Selection[] {
  const { line } = selected;
  if (key === 'images') return listed(source, selected, losses);
  const text = textOf(selected);
  if (text === undefined) {
    losses.leaveOut(line, `${source}: ${key} has no text for it`);
    return [];
  }
  return [{ tags: key === 'images-by-semver' ? { semver: rangeOf(text) } : { regex: wholeTag(text) } }];
}

/** Tags and digests are two blocks. */
function listed(source: string, selected: YamlValue, losses: Losses): readonly Selection[] {
  const items = itemsOf(selected);
  if (items.length === 0) return [{ tags: {} }];
  const include: string[] = [];
  const digests: string[] = [];
  for (const item of items) {
    const text = textOf(item) ?? '';
    if (parseDigest(text)) digests.push(text);
    else if (parseTag(text)) include.push(text);
    else losses.leaveOut(item.line, `${source}: ${JSON.stringify(text)} is neither a tag nor a digest`);
  }
  return [
    ...(include.length > 0 ? [{ tags: { include } }] : []),
    ...(digests.length > 0 ? [{ tags: {}, digests }] : []),
  ];
}

/** A regular expression that may match a part of the tag, as one that must match all of it. */
function wholeTag(regex: string): string {
  // With alternatives, an anchor at one end belongs to one of them only.
  if (regex.includes('|')) return `.*(?:${regex}).*`;
  const start = regex.startsWith('^') ? '' : '.*';
  const end = /(?:^|[^\\])(?:\\\\)*\$$/.test(regex) ? '' : '.*';
  return `${start}${regex}${end}`;
}

/** A range of Masterminds/semver as one of npm. */
function rangeOf(text: string): string {
  return text
    .replaceAll(/\s*,\s*/g, ' ')
    .replaceAll('=>', '>=')
    .replaceAll('=<', '<=');
}

function warnOfSetting(host: string, key: string, value: YamlValue, losses: Losses): void {
  const { line } = value;
  if (key === 'credentials') {
    losses.warn(
      line,
      `the credentials for ${host} are not copied: "podman login ${host}" writes them where Entrepot reads them`,
    );
  } else if (key === 'tls-verify') {
    if (textOf(value) !== 'true')
      losses.warn(line, `tls-verify of ${host}: set insecure = true in its [[registry]] of registries.conf`);
  } else if (key === 'cert-dir') {
    losses.warn(line, `cert-dir of ${host}: Entrepot reads /etc/containers/certs.d/${host}`);
  } else {
    losses.warn(line, `${host}: a [[sync]] block has nothing like ${JSON.stringify(key)}`);
  }
}
