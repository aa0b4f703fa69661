import { FRAME_SIZE } from '../addresses.ts';
import { LeafList } from '../leaf-list.ts';
import { type ScanRoot, scanDeadEnds, scanLeaves } from '../leaf-scan.ts';
import type { TwoStageTranslation } from './walk-two-stages.ts';

/** Which part of what stage 1 maps is listed. */
type Part = 'mapped' | 'hole';

/**
 * The leaves of stage 1 under stage 2: a leaf that stage 2 maps in several pieces is as many leaves, of which
 * `frame` is physical; what stage 2 does not map is left out.
 * @throws RangeError if there are more than `limit`
 */
export function twoStageLeaves(
  translation: TwoStageTranslation,
  roots: readonly ScanRoot[],
  limit: number,
): LeafList {
  translation.forget();
  const leaves = scanLeaves(translation.intermediateMemory, roots, limit);
  return leafListOf(pieces(translation, leaves, 'mapped', limit));
}

/**
 * The dead ends of stage 1, and the pieces of its leaves that stage 2 does not map, of which `frame` is the
 * intermediate one.
 * @throws RangeError if there are more than `limit`
 */
export function twoStageDeadEnds(
  translation: TwoStageTranslation,
  roots: readonly ScanRoot[],
  limit: number,
): LeafList {
  translation.forget();
  const { intermediateMemory } = translation;
  const deadEnds = scanDeadEnds(intermediateMemory, roots, limit);
  const holes = pieces(translation, scanLeaves(intermediateMemory, roots, limit), 'hole', limit);
  for (let i = 0; i < deadEnds.length; i++) holes.push(pieceOf(translation, deadEnds, i));
  return leafListOf(holes.sort((a, b) => a.pageNumber - b.pageNumber));
}

interface Piece {
  readonly pageNumber: number;
  readonly pageCount: number;
  readonly frame: number;
  readonly entryAddress: number;
}

/** A leaf of stage 1 as a whole, with the physical address of its entry. */
function pieceOf({ intermediateMemory }: TwoStageTranslation, leaves: LeafList, index: number): Piece {
  const entryAddress = leaves.entryAddress[index] as number;
  return {
    pageNumber: leaves.pageNumber[index] as number,
    pageCount: leaves.pageCount[index] as number,
    frame: leaves.frame[index] as number,
    entryAddress: intermediateMemory.physicalAddress(entryAddress) ?? entryAddress,
  };
}

function pieces(translation: TwoStageTranslation, leaves: LeafList, part: Part, limit: number): Piece[] {
  const found: Piece[] = [];
  for (let i = 0; i < leaves.length; i++) {
    const leaf = pieceOf(translation, leaves, i);
    for (let offset = 0; offset < leaf.pageCount; ) {
      const { pages, frame } = translation.second.extent((leaf.frame + offset) * FRAME_SIZE);
      const pageCount = Math.min(pages, leaf.pageCount - offset);
      if ((part === 'mapped') === (frame !== undefined)) {
        if (found.length === limit) {
          throw new RangeError(
            `stage 2 cuts what stage 1 maps into more than the limit of ${limit} pieces; give a higher limit if this is meant`,
          );
        }
        const pageNumber = leaf.pageNumber + offset;
        found.push({
          pageNumber,
          pageCount,
          frame: frame ?? leaf.frame + offset,
          entryAddress: leaf.entryAddress,
        });
      }
      offset += pageCount;
    }
  }
  return found;
}

function leafListOf(found: readonly Piece[]): LeafList {
  const list = new LeafList(found.length);
  for (const [index, { pageNumber, pageCount, frame, entryAddress }] of found.entries()) {
    list.pageNumber[index] = pageNumber;
    list.pageCount[index] = pageCount;
    list.frame[index] = frame;
    list.entryAddress[index] = entryAddress;
  }
  return list;
}
