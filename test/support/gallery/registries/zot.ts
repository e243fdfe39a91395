import type { Personality } from '../personality.ts';

export const zot: Personality = {
  name: 'zot, on demand',
  sources: [
    'project-zot/zot#4323',
    'project-zot/zot#4352',
    'https://github.com/project-zot/zot/blob/main/pkg/api/routes.go',
    'https://zotregistry.dev/latest/articles/mirroring/',
  ],
  assumed: ['a blob is there once a manifest that names it was asked for; here HEAD is 404 until GET'],
  access: {
    kind: 'basic',
    realm: 'Authorization Required',
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  },
  forbidden: { status: 403, code: 'DENIED', message: 'requested access to the resource is denied' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { uncachedHead: { status: 404, code: 'BLOB_UNKNOWN' } },
  tags: { page: 10, link: 'relative' },
  referrers: 'api',
};
