import type { Personality } from '../personality.ts';

const account = {
  kind: 'bearer',
  account: true,
  realm: '/service/token',
  service: 'harbor-registry',
  lifetime: 1800,
  field: 'both',
  ended: { status: 401, code: 'UNAUTHORIZED', message: 'unauthorized to access repository' },
} as const;

export const harbor: Personality = {
  name: 'Harbor, project',
  sources: [
    'goharbor/harbor#22490',
    'https://github.com/goharbor/harbor/blob/main/src/server/middleware/v2auth/auth.go',
    'https://github.com/goharbor/harbor/blob/main/src/server/registry/tag.go',
  ],
  assumed: ['no storage redirect, as with the file system'],
  access: account,
  forbidden: { status: 401, code: 'UNAUTHORIZED', message: 'unauthorized to access repository' },
  unknownRepository: { status: 404, code: 'NOT_FOUND', message: 'repository not found' },
  tags: { page: 10, link: 'relative' },
  referrers: 'api',
};

export const harborProxy: Personality = {
  name: 'Harbor, proxy project',
  sources: [
    'goharbor/harbor#22609',
    'goharbor/harbor#23875',
    'goharbor/harbor#23373',
    'https://goharbor.io/docs/main/administration/configure-proxy-cache/',
  ],
  assumed: ['an account without a right to a project gets 401 with a challenge, as in other projects'],
  access: account,
  forbidden: { status: 401, code: 'UNAUTHORIZED', message: 'unauthorized to access repository' },
  unknownRepository: { status: 404, code: 'NOT_FOUND', message: 'repository not found' },
  blobs: {
    uncachedHead: { status: 404, code: 'NOT_FOUND', message: 'blob not found' },
    ranges: 'ignoredUntilCached',
    chunked: true,
  },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
};
