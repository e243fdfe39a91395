/** A `[[sync]]` block on its way from another tool's file to text of entrepot.toml. */
import type { YamlMap, YamlValue } from '../yaml/yaml-document.ts';

export interface SyncDraft {
  /** Of its entry in the other tool's file. */
  readonly line: number;
  /** `REGISTRY/REPOSITORY`, or a glob. */
  readonly source: string;
  /** Added to the name of the repository, to tell entries apart. */
  readonly suffix?: string | undefined;
  /** Values as entrepot.toml has them. */
  readonly tags: {
    readonly include?: readonly string[];
    readonly exclude?: readonly string[];
    readonly regex?: string;
    readonly semver?: string;
  };
  /** In place of tags. */
  readonly digests?: readonly string[] | undefined;
  readonly platforms?: readonly string[] | undefined;
  /** A list: those of these artifact types. */
  readonly referrers: 'all' | 'none' | readonly string[];
  readonly floor?: number | undefined;
  readonly times: { readonly every?: string; readonly cron?: string; readonly timezone?: string };
}

/** Takes what a block cannot say. A message says what is lost, and what to do instead. */
export interface Losses {
  warn(line: number, message: string): void;
  /** A whole entry has no block. */
  leaveOut(line: number, message: string): void;
}

/** The text of a scalar; undefined for everything else. */
export function textOf(value: YamlValue | undefined): string | undefined {
  return value?.kind === 'string' && value.value !== '' ? value.value : undefined;
}

/** The entries of a map; none for everything else. */
export function entriesOf(value: YamlValue | undefined): YamlMap['entries'] {
  return value?.kind === 'map' ? value.entries : new Map();
}

/** The items of a list; none for everything else. */
export function itemsOf(value: YamlValue | undefined): readonly YamlValue[] {
  return value?.kind === 'list' ? value.items : [];
}

/** The texts in a list. */
export function textsOf(value: YamlValue | undefined): readonly string[] {
  return itemsOf(value).flatMap((item) => textOf(item) ?? []);
}
