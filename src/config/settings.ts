/** For `check` and for warnings: the keys of entrepot.toml as they are in force. */

/** A key, its value and the source of that value. */
export interface SettingInForce {
  /** `cache.max_size`; of the second table of a list, `upstream.host[1].proxy`. */
  readonly key: string;
  /** As JSON, without secrets; null if nothing is set and there is no default. */
  readonly value: unknown;
  readonly from: SettingSource;
}

/** Where a value comes from. */
export type SettingSource =
  /** `name`: `--listen` or `ENTREPOT_LISTEN`. */
  | { readonly kind: 'flag' | 'variable'; readonly name: string }
  /** `line` is 1-based. */
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  | { readonly kind: 'default' };
