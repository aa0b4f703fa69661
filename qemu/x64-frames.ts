import { isHarmlessEntry } from '../guest-stubs/x64/harmless-code.ts';
import { tagFrame } from '../guest-stubs/x64/tags.ts';
import { Access } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { GuestRam } from './guest-ram.ts';
import { GROUP_SIZE } from './x64-batch.ts';

/** Frames that are tagged at most: each takes 4 KiB of storage. */
const TAG_LIMIT = 131_072;

/** Bits that the processor sets in entries: A and D (SDM Vol. 3A §4.8). */
const ACCESSED_DIRTY = 0x60;

/** A slot of a frame of the image for probes. */
export interface ImageSlot {
  readonly slot: number;
  /** The slot's first 8 bytes if no other frame of the image has them there; else undefined. */
  readonly unique: readonly [low: number, high: number] | undefined;
}

/** What the frames of a guest's RAM hold, beside the stub: the image, tags, zeros. */
export class X64Frames {
  readonly #ram: GuestRam;
  readonly #image: PhysicalMemory;
  readonly #tableFrames: ReadonlySet<number>;
  readonly #live: boolean;
  readonly #frameCount: number;
  readonly #tagged = new Set<number>();
  readonly #readSlots = new Map<number, ImageSlot>();
  readonly #executeSlots = new Map<number, ImageSlot | undefined>();
  #lastTagged = -1;
  /** What {@link isImage} was asked last, and its answer: accesses to one page follow each other. */
  #lastAsked = -1;
  #lastIsImage = false;

  /**
   * @param tableFrames the frames of the image that tables point to
   * @param live whether the host may change any of the image's memory later
   */
  constructor(ram: GuestRam, image: PhysicalMemory, tableFrames: ReadonlySet<number>, live: boolean) {
    this.#ram = ram;
    this.#image = image;
    this.#tableFrames = tableFrames;
    this.#live = live;
    this.#frameCount = ram.size / FRAME_SIZE;
  }

  /** Whether the guest has memory for a frame. */
  isRam(frame: number): boolean {
    return frame < this.#frameCount;
  }

  /**
   * Whether the frame holds something of the image, which is never changed: a table, or anything but zeros.
   * What else lies in the image's ranges is ordinary memory, unless the host may change it.
   */
  isImage(frame: number): boolean {
    if (frame < 0 || frame >= this.#frameCount) return false;
    if (frame !== this.#lastAsked) {
      const words = this.#image.frameWords(frame);
      this.#lastAsked = frame;
      this.#lastIsImage =
        words !== undefined && (this.#live || this.#tableFrames.has(frame) || !isZero(words));
    }
    return this.#lastIsImage;
  }

  isTagged(frame: number): boolean {
    return frame === this.#lastTagged || this.#tagged.has(frame);
  }

  /** Makes sure that a frame of RAM outside the image and the stub is tagged, as far as there is room for tags. */
  tag(frame: number): void {
    if (this.isTagged(frame) || this.#tagged.size >= TAG_LIMIT) return;
    this.#ram.write(frame * FRAME_SIZE, tagFrame(frame));
    this.#tagged.add(frame);
    this.#lastTagged = frame;
  }

  /** Tags all RAM but the image and what `isStub` says. @returns false if there is too much */
  tagAll(isStub: (frame: number) => boolean): boolean {
    if (this.#frameCount > TAG_LIMIT) return false;
    for (let frame = 0; frame < this.#frameCount; frame++) {
      if (!isStub(frame) && !this.isImage(frame)) this.tag(frame);
    }
    return true;
  }

  /** The frames have been overwritten. */
  forget(firstFrame: number, count: number): void {
    for (let frame = firstFrame; frame < firstFrame + count; frame++) this.#tagged.delete(frame);
    this.#lastTagged = -1;
  }

  /** The image has changed. */
  forgetSlots(): void {
    this.#readSlots.clear();
    this.#executeSlots.clear();
  }

  /** Takes the tags out of a copy of the image. */
  removeTags(copy: PhysicalMemory): void {
    for (const frame of this.#tagged) copy.frameWords(frame)?.fill(0);
  }

  /** A slot of an image frame for an access, or undefined if the access is safe in none. */
  imageSlot(frame: number, access: Access): ImageSlot | undefined {
    if (access === Access.Execute) {
      if (!this.#executeSlots.has(frame)) this.#executeSlots.set(frame, this.#findHarmless(frame));
      return this.#executeSlots.get(frame);
    }
    let slot = this.#readSlots.get(frame);
    if (slot === undefined) {
      slot = this.#findUnique(frame);
      this.#readSlots.set(frame, slot);
    }
    return slot;
  }

  #findHarmless(frame: number): ImageSlot | undefined {
    const words = this.#image.frameWords(frame);
    if (words === undefined) return undefined;
    for (let slot = 0; slot < GROUP_SIZE; slot++) {
      if (isHarmlessEntry(words[4 * slot] as number)) return { slot, unique: undefined };
    }
    return undefined;
  }

  #findUnique(frame: number): ImageSlot {
    const words = this.#image.frameWords(frame) as Uint32Array;
    for (let slot = 0; slot < GROUP_SIZE; slot++) {
      const low = words[4 * slot] as number;
      const high = words[4 * slot + 1] as number;
      if ((low !== 0 || high !== 0) && this.#isUnique(slot, low, high)) return { slot, unique: [low, high] };
    }
    return { slot: 0, unique: undefined };
  }

  #isUnique(slot: number, low: number, high: number): boolean {
    let found = 0;
    for (const { words } of this.#image.ranges) {
      for (let at = 4 * slot; at < words.length; at += FRAME_SIZE / 4) {
        if (sameEntry(words[at] as number, words[at + 1] as number, low, high) && ++found > 1) return false;
      }
    }
    return true;
  }
}

function isZero(words: Uint32Array): boolean {
  for (const word of words) if (word !== 0) return false;
  return true;
}

/** Whether two entries are the same but for what the processor sets. */
export function sameEntry(low: number, high: number, otherLow: number, otherHigh: number): boolean {
  return ((low ^ otherLow) & ~ACCESSED_DIRTY) === 0 && high === otherHigh;
}
