/** What the cache needs of a logger: pino's calling convention. */
export interface CacheLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
