import type { Personality } from '../personality.ts';

export const gitea: Personality = {
  name: 'Gitea and Forgejo',
  sources: [
    'https://github.com/go-gitea/gitea/blob/main/routers/api/packages/container/container.go',
    'prowler-cloud/prowler#12691',
    'https://docs.gitea.com/usage/packages/container',
  ],
  assumed: ['a private package of another owner is refused with 401, as if no one had logged in'],
  access: {
    kind: 'bearer',
    account: true,
    realm: '/v2/token',
    service: 'container_registry',
    scope: '*',
    basic: { realm: 'Gitea Container Registry', order: 'after' },
    lifetime: 86400,
    tellsLifetime: false,
    ended: { status: 401, code: 'UNAUTHORIZED' },
  },
  forbidden: { status: 401, code: 'UNAUTHORIZED' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { ranges: 'ignored' },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
};
