// The probe loop, once for each exception level that it runs at. It runs under the tables under test, in
// the stub's own mapping. Per probe: AT for the same kind of access, then the access itself, one result.
//
// x19 = the stub, x20 = control block, x21 = probe, x22 = result, w23 = probes done, w24 = COUNT,
// x25 … x27 = mask and halves of a data tag, x28 = where an exception of the probe goes on, x29 = last
// physical address that has memory.
// Of the probe: x0 = data, x1 = address, w2 … w4 = access, privilege, flags, x5 = PAR_EL1.

// Vector table of one loop: all exceptions go to one place with the entry's index.
.macro VECTORS loop
.set vector, 0
.rept 16
        .balign 0x80
        mov     w9, #vector
        b       exception_\loop
.set vector, vector + 1
.endr
.endm

// AT for a read or write (x2 = 0, 1) at this level or at EL0 (x3 = 0, 1). Of EL2&0, EL0's accesses have no AT: one
// of EL2 says where they lead if they are made. EL2 alone and EL3 have no user accesses.
// A fetch (x2 = 2) has no AT of its own: a read at this level is translated alike, and never forbidden.
// AT raises an exception itself where the walk meets memory that is not there (Arm ARM D8.12.5): PAR_EL1 is
// then made up from the fault status, in the form of any other failure.
.macro TRANSLATE loop, el
        adr     x28, 3f
        cmp     w2, #ACCESS_EXECUTE
        csel    w6, wzr, w2, eq
        csel    w7, wzr, w3, eq
        add     w6, w7, w6, lsl #1
.ifc \loop, el1_nested
        hvc     #0                      // AT for both stages is EL2's: stage-two.s
.else
        adr     x7, 1f
        add     x7, x7, x6, lsl #3
        br      x7
1:
.if \el == 1
        at      s1e1r, x1
        b       2f
        at      s1e0r, x1
        b       2f
        at      s1e1w, x1
        b       2f
        at      s1e0w, x1
.else
        at      s1e\el\()r, x1
        b       2f
        at      s1e\el\()r, x1
        b       2f
        at      s1e\el\()w, x1
        b       2f
        at      s1e\el\()w, x1
.endif
2:      isb
        mrs     x5, par_el1
        b       4f
3:      and     x5, x10, #0x3f          // ESR.DFSC to PAR.FST, PAR.F = 1
        lsl     x5, x5, #1
        orr     x5, x5, #1
4:
.endif
.endm

// Goes to a label if no memory is where PAR_EL1 says that the probe leads: it ends in an external abort.
.macro SKIP_WITHOUT_MEMORY label
        and     x6, x5, #0x000ffffffffff000
        cmp     x6, x29
        b.hi    \label
.endm

// After a fault (w9, x10): ends a probe of which a permission of stage 2 forbids to read what stands there.
.macro LEAVE_UNREADABLE loop
.ifc \loop, el1_nested
        and     w6, w10, #DFSC_PERMISSION_MASK
        mov     w7, #VECTOR_STAGE_TWO
        and     w8, w9, #0xffff
        cmp     w6, #DFSC_PERMISSION
        ccmp    w8, w7, #0, eq
        b.eq    unreadable_\loop
.endif
.endm

.macro ENTER_EL0 el, label
        adr     x8, \label
        msr     elr_el\el, x8
        mov     x8, #SPSR_EL0
        msr     spsr_el\el, x8
        eret
.endm

.macro PROBE_LOOP loop, el
.global run_\loop, batch_end_\loop, read_\loop, write_\loop, exception_\loop, fault_\loop
run_\loop:
        adr     x19, start
        add     x20, x19, #CONTROL_ALIAS
        ldr     x21, [x20, #CONTROL_PROBES]
        add     x21, x21, x19
        ldr     x22, [x20, #CONTROL_RESULTS]
        add     x22, x22, x19
        mov     w23, #0
        ldr     w24, [x20, #CONTROL_COUNT]
        // movz x0, #…; movk x0, #…, lsl #16 | movk x0, #…, lsl #32; brk #…  without their immediates
        mov     x25, #0x001f
        movk    x25, #0xffe0, lsl #16
        orr     x25, x25, x25, lsl #32
        mov     x26, #0xd2800000
        movk    x26, #0xf2a0, lsl #48
        mov     x27, #0xf2c00000
        movk    x27, #0xd420, lsl #48
        ldr     x29, [x20, #CONTROL_REGISTERS + REGISTER_MEMORY_END*8]
        sub     x29, x29, #1
        cbz     w24, batch_end_\loop

next_\loop:
        ldr     x1, [x21, #PROBE_ADDRESS]
        ldrb    w2, [x21, #PROBE_ACCESS]
        ldrb    w3, [x21, #PROBE_PRIVILEGE]
        ldrb    w4, [x21, #PROBE_FLAGS]
        TRANSLATE \loop, \el
        mov     x0, #0
        tbnz    w4, #TRANSLATE_ONLY_BIT, complete_\loop
        adr     x28, record_\loop
        cmp     w2, #ACCESS_WRITE
        b.hi    fetch_\loop
        b.eq    store_\loop

// A read. The pair forms and the write-back forms report no instruction syndrome at any level.
.if \el < 3
        cbz     w3, read_\loop
        ENTER_EL0 \el, read_el0
.endif
read_\loop:
        ldp     x0, x2, [x1]
        b       complete_\loop

// A write stores the byte that is there. Where AT says that nothing can be written, or that there is no
// memory, nothing is read before.
store_\loop:
        tbnz    w4, #LOAD_ALWAYS_BIT, load_to_store_\loop
        tbnz    x5, #0, 2f
        SKIP_WITHOUT_MEMORY 2f
.ifc \loop, el1_nested
        adr     x28, unreadable_\loop
.else
        adr     x28, 1f
.endif
        ldr     x0, [x1]
1:      adr     x28, record_\loop
2:
make_store_\loop:
        lsr     x7, x0, #(WRITE_OFFSET * 8)
        add     x6, x1, #WRITE_OFFSET
.if \el < 3
        cbz     w3, write_\loop
        ENTER_EL0 \el, write_el0
.endif
write_\loop:
        strb    w7, [x6], #0
        b       complete_\loop

// A fetch runs only what is harmless: a data tag, or an instruction that is undefined for ever (bits 31 and
// 28:25 clear, Arm ARM C4.1). Where the content cannot be read, the fetch cannot run it either.
fetch_\loop:
        tbnz    w4, #LOAD_ALWAYS_BIT, load_to_fetch_\loop
.ifc \loop, el1_nested
        // Stage 2 may allow to fetch what it forbids to read.
        mov     w7, #PAR_STAGE_TWO_PERMISSION_MASK
        and     w6, w5, w7
        mov     w7, #PAR_STAGE_TWO_PERMISSION
        cmp     w6, w7
        b.eq    unreadable_\loop
.endif
        tbnz    x5, #0, 2f
        SKIP_WITHOUT_MEMORY 2f
        adr     x28, 1f
        ldp     x6, x7, [x1]
check_fetch_\loop:
        adr     x28, record_\loop
        tst     w6, #0x80000000
        b.ne    3f
        tst     w6, #0x1e000000
        b.eq    2f
3:      and     x8, x6, x25
        and     x9, x7, x25
        cmp     x8, x26
        ccmp    x9, x27, #0, eq
        b.eq    2f
        str     x6, [x22, #RESULT_FAULT_ADDRESS]
        mov     w9, #VECTOR_REFUSED
        b       finish_\loop
1:      adr     x28, record_\loop
2:
make_fetch_\loop:
        mov     x0, #-1
.if \el < 3
        cbz     w3, 4f
        mov     x8, #SPSR_EL0
        msr     spsr_el\el, x8
        msr     elr_el\el, x1
        eret
.endif
4:      ret     x1                      // not BR: the target of RET needs no landing pad

// What a TLB holds, AT need not know: so the slot is loaded in any case before a write or a fetch. Where it cannot be
// loaded, the access is made all the same, which then faults alike, unless stage 2 forbids reading alone.
load_to_store_\loop:
        adr     x28, 1f
        ldr     x0, [x1]
        adr     x28, record_\loop
        b       make_store_\loop
load_to_fetch_\loop:
        adr     x28, 2f
        ldp     x6, x7, [x1]
        b       check_fetch_\loop
1:      LEAVE_UNREADABLE \loop
        adr     x28, record_\loop
        b       make_store_\loop
2:      LEAVE_UNREADABLE \loop
        adr     x28, record_\loop
        b       make_fetch_\loop

// Every exception of this level. An emulator that cannot deliver exceptions enters at fault_el with
// w9 = vector index, x10 = ESR, x11 = FAR, x12 = ELR.
exception_\loop:
        mrs     x10, esr_el\el
        mrs     x11, far_el\el
        mrs     x12, elr_el\el
fault_\loop:
        br      x28

record_\loop:
        lsr     w13, w10, #EC_SHIFT
        cmp     w13, #EC_SVC
        b.eq    complete_\loop          // a user access that completed
        mov     w14, #EC_ABORT_MASK
        and     w13, w13, w14
        cmp     w13, #EC_ABORT
        csel    x11, x11, x0, eq
        str     x11, [x22, #RESULT_FAULT_ADDRESS]
        str     w10, [x22, #RESULT_SYNDROME]
        str     x12, [x22, #RESULT_INSTRUCTION]
        b       finish_\loop

.ifc \loop, el1_nested
// What cannot be read is neither stored again nor run.
unreadable_\loop:
        mov     w9, #VECTOR_UNREADABLE
        b       finish_\loop
.endif

complete_\loop:
        str     x0, [x22, #RESULT_FAULT_ADDRESS]
        str     wzr, [x22, #RESULT_SYNDROME]
        str     x2, [x22, #RESULT_INSTRUCTION]
        mov     w9, #VECTOR_NONE
finish_\loop:
        str     x5, [x22, #RESULT_VALUE]
        str     w9, [x22, #RESULT_VECTOR]    // and EXTRA = 0
        add     w23, w23, #1
        str     w23, [x20, #CONTROL_DONE]
        add     x21, x21, #PROBE_RECORD_BYTES
        add     x22, x22, #RESULT_RECORD_BYTES
        cmp     w23, w24
        b.ne    next_\loop
        nop                             // an emulator that stops at the label translates anew what ends there
batch_end_\loop:
.if \el < 3
        smc     #0
        b       run_\loop               // COMMAND 2 goes on here
.else
        b       end_el3
.endif
.endm

// VBAR_ELx needs 2 KiB alignment: assemble.ts places the sections.
.section .vectors_el1, "ax"
vectors_el1:
        VECTORS el1
.section .vectors_el2, "ax"
vectors_el2:
        VECTORS el2
.section .vectors_el3, "ax"
vectors_el3:
        VECTORS el3
.section .vectors_el1_nested, "ax"
vectors_el1_nested:
        VECTORS el1_nested
.section .loops, "ax"
        PROBE_LOOP el1, 1
        PROBE_LOOP el2, 2
        PROBE_LOOP el3, 3
        PROBE_LOOP el1_nested, 1
