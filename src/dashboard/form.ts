/** The fields of a form that a browser sends. */
import type { Context } from 'hono';

/** No other body is read: those that other sites can send without asking are of this type, too, so `isOwnSite` is asked first. */
export async function readForm(c: Context): Promise<URLSearchParams> {
  const type = c.req.header('content-type') ?? '';
  if (!/^application\/x-www-form-urlencoded(?:;|$)/i.test(type)) return new URLSearchParams();
  return new URLSearchParams(await c.req.text());
}
