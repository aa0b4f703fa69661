// EL2 while stage 2 is under test: its MMU is off and its addresses are physical, so that no table under test can
// reach it. It translates for the loop of EL1, and passes the faults of stage 2 on to it.
//
// Everything of the loop stays as it is but x5 … x18.

.text
.global translate_both_stages
from_lower_level:
        mrs     x10, esr_el2
        lsr     w15, w10, #EC_SHIFT
        cmp     w15, #EC_HVC
        b.eq    translate_both_stages
        mov     w16, #EC_FROM_LOWER_MASK
        and     w15, w15, w16
        cmp     w15, #EC_ABORT
        b.ne    stage_two_failure
        // As the loop's own exceptions, with the low half of ELR beside the vector, and HPFAR in ELR's place.
        mrs     x11, far_el2
        mrs     x12, elr_el2
        mov     w9, #VECTOR_STAGE_TWO
        bfi     w9, w12, #16, #16
        mrs     x12, hpfar_el2
        msr     elr_el2, x28
        mov     x15, #SPSR_EL1
        msr     spsr_el2, x15
        eret

// AT for x1 by x6: privileged and user read, privileged and user write. An external abort of AT comes back to EL2.
translate_both_stages:
        mrs     x16, elr_el2
        mrs     x17, spsr_el2
        adr     x15, 1f
        add     x15, x15, x6, lsl #3
        br      x15
1:      at      s12e1r, x1
        b       2f
        at      s12e0r, x1
        b       2f
        at      s12e1w, x1
        b       2f
        at      s12e0w, x1
2:      isb
        mrs     x5, par_el1
        b       3f
from_same_level:
        mrs     x15, esr_el2
        and     x5, x15, #0x3f          // ESR.DFSC to PAR.FST, PAR.F = 1
        lsl     x5, x5, #1
        orr     x5, x5, #1
3:      msr     elr_el2, x16
        msr     spsr_el2, x17
        eret

// DONE is below COUNT.
stage_two_failure:
        smc     #0

.section .vectors_stage_two, "ax"
vectors_stage_two:
.set vector, 0
.rept 16
        .balign 0x80
.if vector == 8
        b       from_lower_level
.elseif vector == 4
        b       from_same_level
.else
        b       stage_two_failure
.endif
.set vector, vector + 1
.endr
