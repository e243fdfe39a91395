/** The dashboard, as an HTTP server mounts it. Its pages are loaded with the first request for one. */
import { type Context, Hono } from 'hono';
import type { AdministeredEnv } from '../admin/administrator.ts';
import type { Dashboard, Refusal } from './dashboard.ts';

export interface DashboardMount {
  readonly path: string;
  readonly app: Hono<AdministeredEnv>;
  /** Paths that every client may use: to sign in and out, and what the pages for that load. */
  isOpen(path: string): boolean;
  refused(refusal: Refusal, c: Context): Promise<Response>;
}

const openPaths = /^\/(?:assets\/[a-z.]+|sign-in|sign-out|theme)$/;

/** `load` is called once, if it does not fail. */
export function createMount(load: () => Promise<Dashboard>): DashboardMount {
  let loaded: Promise<Dashboard> | undefined;
  const app = new Hono<AdministeredEnv>();

  async function dashboard(): Promise<Dashboard> {
    const loading = loaded ?? load();
    loaded = loading;
    try {
      return await loading;
    } catch (error) {
      loaded = undefined;
      throw error;
    }
  }

  app.all('*', async (c) => {
    const { app: pages } = await dashboard();
    const found = { administrator: c.get('administrator'), typed: c.get('typed') };
    return await pages.fetch(c.req.raw, { ...c.env, ...found });
  });
  return {
    path: '/ui',
    app,
    isOpen: (path) => openPaths.test(path),
    refused: async (refusal, c) => (await dashboard()).refused(refusal, c),
  };
}
