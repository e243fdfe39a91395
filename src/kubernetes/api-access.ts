/** How the API server is reached, and as which account. */
import type { KeyPair } from '../config/files/key-pair.ts';

/** Files are read at each call. Methods throw EntrepotError for a file that cannot be used. */
export interface ApiAccess {
  /** `https:`, or `http:` on loopback, with a path where the API is below one. */
  readonly server: URL;
  /** What names it, for messages. */
  readonly from: string;
  readonly verify: boolean;
  /** The name in the certificate, if it is not that of the URL. */
  readonly serverName: string | undefined;
  /** URL of a proxy, or `direct`; undefined: as the environment says. */
  readonly proxy: string | undefined;
  /** PEM of the CAs that are trusted, alone. Undefined: those of the system. */
  ca(): readonly string[] | undefined;
  /** What is shown for a client certificate. */
  pair(): KeyPair | undefined;
  token(): string | undefined;
}
