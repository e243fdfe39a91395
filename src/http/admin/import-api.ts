/**
 * `POST /import?options=JSON`: the body is one archive, the answer the report. The command reads the file and sends its bytes, since the
 * server may run in a container or as a user that cannot see it.
 */
import type { Hono } from 'hono';
import type { AdministeredEnv } from '../../admin/administrator.ts';
import type { Imports } from '../../airgap/import/imports.ts';
import { EntrepotError } from '../../errors.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { Log } from '../../telemetry/log.ts';

/** Adds the route. Errors go to the handler of `app`. */
export function addImport(app: Hono<AdministeredEnv>, imports: Imports, log: Pick<Log, 'info'>): void {
  app.post('/import', async (c) => {
    const parsed = parseJson(c.req.query('options') ?? '{}');
    const { file, name, cached } = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {};
    const { body, signal } = c.req.raw;
    if (typeof file !== 'string' || !body || (name !== undefined && typeof name !== 'string'))
      throw new EntrepotError('USAGE', 'an import needs the name of its file, and a body');
    const by = c.get('administrator').name;
    const about = file.slice(0, 300);
    c.set('about', about);
    log.info({ event: 'admin.command', command: 'import', by, about }, 'command');
    const options = { name, cached: cached === true, signal };
    return c.json(await imports.importVolume({ file, bytes: body }, options));
  });
}
