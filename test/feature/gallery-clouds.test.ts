/** The same sentences about every registry of one group of the gallery (test/support/gallery). */
import { describe } from 'node:test';
import { describeGallery } from '../support/gallery/describe-gallery.ts';
import { clouds } from '../support/gallery/registries.ts';

describe('the registry of a cloud behind Entrepot', () => describeGallery(clouds));
