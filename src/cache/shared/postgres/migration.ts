/** One step of the tables in PostgreSQL (`migrations.ts`). */
export interface Migration {
  readonly sql: string;
  /** Programs that know fewer steps cannot use the database after this one. Default: as before. */
  readonly oldest?: number;
}
