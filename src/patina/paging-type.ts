/** `PagingType` of patina-paging: how many levels of tables with 4 KiB pages there are. */
export const PagingType = {
  Paging4Level: '4-level',
  Paging5Level: '5-level',
} as const;

export type PagingType = (typeof PagingType)[keyof typeof PagingType];
