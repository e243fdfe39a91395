/**
 * All texts of the dashboard in English. Another language is a file beside this one that exports a `Texts`: it must be complete. Texts
 * with a value in them are functions, so that a language can put the value where it belongs.
 */
import { configuration, explain } from './en/configuration.ts';
import { disk, image, images } from './en/content.ts';
import { frame, refused, signIn } from './en/frame.ts';
import { conditions, endpoint, overview } from './en/overview.ts';
import { jobs, sync } from './en/replication.ts';
import { access, editor } from './en/settings.ts';
import { endpoints, requests, transfers } from './en/traffic.ts';

export const en = {
  language: 'en',
  format: {
    locale: 'en',
    none: '–',
    now: 'now',
    ago: (duration: string) => `${duration} ago`,
    ahead: (duration: string) => `in ${duration}`,
  },
  pages: {
    overview: 'Overview',
    images: 'Images',
    image: 'Image',
    disk: 'Disk',
    transfers: 'Transfers',
    requests: 'Requests',
    endpoints: 'Endpoints',
    sync: 'Sync',
    jobs: 'Jobs',
    configuration: 'Configuration',
    editor: 'Edit configuration',
    explain: 'Explain',
    access: 'Access',
  },
  groups: {
    content: 'Content',
    traffic: 'Traffic',
    replication: 'Replication',
    settings: 'Settings',
  },
  frame,
  signIn,
  refused,
  overview,
  images,
  image,
  disk,
  configuration,
  explain,
  endpoint,
  conditions,
  transfers,
  requests,
  endpoints,
  sync,
  jobs,
  access,
  editor,
};

export type Texts = typeof en;
