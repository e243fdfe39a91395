/** The robot tokens that replicas share: their SHA-256 and what they may, never the tokens themselves. */
export interface TokenRow {
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  /** JSON, as the reader checks it; undefined once the token is revoked. */
  readonly robot: string | undefined;
  /** Epoch ms; undefined: it is not revoked. */
  readonly revoked: number | undefined;
}

/** Rejects with `Unavailable` while it cannot be asked. */
export interface TokenStore {
  all(): Promise<readonly TokenRow[]>;
  /** Adds tokens that are not there and revokes those that are revoked; a revocation is final. */
  put(rows: readonly TokenRow[]): Promise<void>;
  /** Calls `onChange` when tokens may have changed, and when the store can be asked again. Gives the end of it. */
  changed(onChange: () => void): () => void;
}
