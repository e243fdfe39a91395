/** What proves to a store that a request is allowed, wherever it comes from: an access key, a token. */
export interface Credentials<T> {
  /** Rejects StoreError: `refused` where there are none, `unreachable` where their server does not answer. */
  get(signal?: AbortSignal): Promise<T>;
  /** The store does not accept `refused`, which `get` gave. Whether the next `get` may give others. */
  doubt(refused: T): boolean;
}

/** They stay what they are. */
export function fixedCredentials<T>(value: T): Credentials<T> {
  return { get: async () => value, doubt: () => false };
}
