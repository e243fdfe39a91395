/**
 * What a browser may do with a page: nothing but load our own stylesheet, script, pictures and streams, and send forms here. Trusted
 * types are off altogether, so no script can turn a text into markup.
 */
import type { Context } from 'hono';

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** For every answer below `/ui`. */
export function setBrowserRules(c: Context): void {
  c.header('Content-Security-Policy', policy);
  c.header('Referrer-Policy', 'same-origin');
  c.header('X-Frame-Options', 'DENY');
  c.header('Cross-Origin-Opener-Policy', 'same-origin');
  c.header('Cross-Origin-Resource-Policy', 'same-origin');
}
