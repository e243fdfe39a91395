/** Every page of the dashboard, as the browser tests and the screenshots visit it. */
import type { DashboardWorld } from './dashboard-world.ts';

export interface VisitedPage {
  /** Of its screenshot. */
  readonly name: string;
  path(world: DashboardWorld): string;
}

const query = (fields: Readonly<Record<string, string>>) => new URLSearchParams(fields).toString();

/** In the order of the navigation. */
export const dashboardPages: readonly VisitedPage[] = [
  { name: 'overview', path: () => '/ui' },
  { name: 'images', path: () => '/ui/images?q=library' },
  { name: 'image', path: ({ image }) => `/ui/image?${query({ reference: image })}` },
  { name: 'disk', path: () => '/ui/disk' },
  { name: 'transfers', path: () => '/ui/transfers' },
  { name: 'requests', path: () => '/ui/requests' },
  { name: 'endpoints', path: () => '/ui/endpoints' },
  { name: 'sync', path: () => '/ui/sync' },
  { name: 'jobs', path: () => '/ui/jobs' },
  { name: 'configuration', path: () => '/ui/configuration' },
  { name: 'explain', path: ({ image }) => `/ui/explain?${query({ reference: image })}` },
  { name: 'access', path: () => `/ui/access?${query({ who: 'ann', image: 'docker.io/library/alpine' })}` },
  {
    name: 'editor',
    path: ({ proxy }) => `/ui/editor?${query({ file: `${proxy.folder}/entrepot.toml` })}`,
  },
];
