/** What events say of the server that they come from. */
export interface SenderPlace {
  /** URL without a slash at its end; undefined: as the client of a push has called it. */
  readonly publicUrl: string | undefined;
  /** `host:port` that this server listens on. */
  readonly address: string;
  /** Of this start of the program. */
  readonly instance: string;
}
