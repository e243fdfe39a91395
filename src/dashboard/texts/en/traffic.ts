/** English: transfers, requests and endpoints. */
import { counted } from './counted.ts';

export const transfers = {
  lead: 'Cold blobs on their way in. Any number of clients read the same transfer while it arrives.',
  empty: 'No transfer is under way. A pull of an image that is not stored shows up here while it arrives.',
  image: 'Image and blob',
  state: 'State',
  states: {
    filling: 'arriving',
    verifying: 'verifying',
    verified: 'verified',
    relaying: 'passed on, not kept',
  },
  progress: 'Progress',
  of: (part: string, whole: string) => `${part} of ${whole}`,
  rate: 'Rate',
  readers: 'Readers',
  endpoint: 'From',
  began: 'Began',
};

export const requests = {
  search: 'Image or path',
  failedOnly: 'Failed only',
  filter: 'Filter',
  empty: 'No such request among the last 500. Each request of a client under /v2/ shows up here.',
  time: 'When',
  what: 'Image',
  status: 'Answer',
  ends: {
    complete: 'complete',
    clientLeft: 'the client left',
    clientStalled: 'the client stopped reading',
    failed: 'broke off here',
  },
  cache: 'Cache',
  bytes: 'Bytes',
  took: 'Took',
  client: 'Client',
  trail: 'Trail',
  noTrail: 'no endpoint was asked',
  asked: (count: number) => `${count} ${counted(count, 'endpoint')} asked`,
};

export const endpoints = {
  all: 'All endpoints',
  trails: 'Recent trails',
  trailsOf: (host: string) => `Recent trails with ${host}`,
  noTrails: 'No recent request asked an endpoint: all came from the cache, or there were none.',
  outcomes: 'What came of requests',
  outcome: 'Outcome',
};
