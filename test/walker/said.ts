import type { Translation } from '../../src/translation.ts';

/** "completes", or the fault in words. */
export function said(translation: Translation): string {
  switch (translation.kind) {
    case 'completes':
      return 'completes';
    case 'faults':
      return translation.description;
    case 'table-outside-memory':
      return `no memory at 0x${translation.entryAddress.toString(16)}`;
  }
}
