/** All pages, in the order of the navigation. */
import type { NavGroup } from './frame.ts';
import type { Page } from './page.ts';
import { accessPage } from './pages/access.ts';
import { configurationPage } from './pages/configuration.ts';
import { diskPage } from './pages/disk.ts';
import { editorPage } from './pages/editor.ts';
import { endpointsPage } from './pages/endpoints.ts';
import { explainPage } from './pages/explain.ts';
import { imagePage } from './pages/image.ts';
import { imagesPage } from './pages/images.ts';
import { jobsPage } from './pages/jobs.ts';
import { overviewPage } from './pages/overview.ts';
import { requestsPage } from './pages/requests.ts';
import { syncPage } from './pages/sync.ts';
import { transfersPage } from './pages/transfers.ts';

export const navigation: readonly NavGroup[] = [
  { name: undefined, pages: [overviewPage] },
  { name: 'content', pages: [imagesPage, diskPage] },
  { name: 'traffic', pages: [transfersPage, requestsPage, endpointsPage] },
  { name: 'replication', pages: [syncPage, jobsPage] },
  { name: 'settings', pages: [configurationPage, explainPage, accessPage] },
];

/** Pages without an entry of their own in the navigation are named by `under`. */
export const pages: readonly Page[] = [...navigation.flatMap((group) => group.pages), imagePage, editorPage];
