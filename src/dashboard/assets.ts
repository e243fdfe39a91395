/** The files that pages load: one stylesheet, one script, one picture. They are read once and served as they are. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hono } from 'hono';

const types = {
  'ui.css': 'text/css; charset=utf-8',
  'ui.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export interface Assets {
  /** Names their content; part of their addresses. */
  readonly print: string;
  readonly app: Hono;
}

/** Throws what the file system throws. */
export function readAssets(): Assets {
  const app = new Hono();
  const hash = createHash('sha256');
  for (const [name, type] of Object.entries(types)) {
    const text = readFileSync(join(import.meta.dirname, 'assets', name), 'utf8');
    hash.update(text);
    app.get(`/${name}`, (c) =>
      c.body(text, 200, { 'Content-Type': type, 'Cache-Control': 'max-age=31536000, immutable' }),
    );
  }
  return { print: hash.digest('hex').slice(0, 12), app };
}
