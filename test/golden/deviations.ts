import { AARCH64_PAGING_DEVIATIONS } from './aarch64-paging-deviations.ts';
import type { Deviation } from './deviation.ts';
import { PATINA_DEVIATIONS } from './patina-deviations.ts';
import { X86_64_DEVIATIONS } from './x86-64-deviations.ts';

/** Every way in which the engine differs from the originals. Nothing else may differ. */
export const DEVIATIONS: readonly Deviation[] = [
  ...PATINA_DEVIATIONS,
  ...X86_64_DEVIATIONS,
  ...AARCH64_PAGING_DEVIATIONS,
];
