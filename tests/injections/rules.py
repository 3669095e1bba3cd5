"""The rules of the chip that a kernel can break, and the tests that break them.

Names with underscores are micro-tests of tests/emulator, names with hyphens faults in our kernels.
"""

from __future__ import annotations

ORDER = {
    "Another pipe reads what a pipe has written: only after its event": (
        "raw_between_pipes_names_both_lines",
        "a_missing_event_between_pipes_shows_in_the_numbers",
        "l1-read-before-it-is-loaded",
        "l0-read-before-it-is-loaded",
    ),
    "Another pipe overwrites what a pipe reads: only after its event": (
        "war_between_pipes_is_an_error",
        "a_missing_event_between_pipes_shows_in_the_numbers",
        "l1-loaded-while-it-is-read",
        "l0-loaded-while-it-is-read",
    ),
    "Two pipes write one place: only with an event between": (
        "waw_between_pipes_is_an_error",
        "a_missing_event_between_pipes_shows_in_the_numbers",
    ),
    "Later on a pipe means started later; an event covers what was issued before it is set": (
        "being_later_on_a_pipe_is_not_being_after",
        "a_missing_event_between_pipes_shows_in_the_numbers",
    ),
    "A vector result is read or overwritten on PIPE_V only after a barrier": (
        "vector_after_vector_needs_a_barrier",
        "two_vector_results_in_one_place_need_a_barrier",
        "a_missing_barrier_within_a_pipe_shows_in_the_numbers",
        "vector-barrier-dropped",
    ),
    "A vector source may be overwritten on PIPE_V: reported as a note": ("vector_war_is_a_note",),
    "The stock build switch repairs vector and scalar order, and nothing else": (
        "auto_sync_forgives_nothing_between_vector_and_mte",
        "what_the_stock_switch_repairs_gives_the_same_bits",
    ),
    "A barrier orders its own pipe, and PIPE_S has none": (
        "a_barrier_of_another_pipe_orders_nothing",
        "events_pair_in_the_order_of_issue",
    ),
    "Copies of one pipe onto the same bytes need a barrier": (
        "two_loads_into_one_place_need_a_barrier",
        "two_copies_onto_the_same_bytes_need_a_barrier",
        "a_missing_barrier_within_a_pipe_shows_in_the_numbers",
    ),
    "Products onto an L0C tile of fewer than ten fractals need a barrier": (
        "mmad_onto_a_small_tile_needs_a_barrier",
        "mmad_onto_a_small_tile_without_a_barrier_shows_in_the_numbers",
        "mmad-onto-a-small-tile-without-barrier",
    ),
    "Fixpipe reads a tile after its product, and the next product waits for Fixpipe": (
        "faults_between_the_cubes_pipes_are_refused",
        "each_missing_edge_of_a_kernel_shows_in_the_numbers",
        "l0c-read-before-fix",
        "l0c-overwritten-while-it-is-stored",
    ),
    "The scalar pipe needs its own events": (
        "scalar_accesses_need_their_own_events",
        "a_missing_event_of_the_scalar_pipe_shows_in_the_numbers",
    ),
    "Atomic sums in one place have no order": (
        "atomic_add_adds_until_it_is_switched_off",
        "sums_of_groups_are_a_warning_and_add_up",
        "a_missing_barrier_within_a_pipe_shows_in_the_numbers",
        "sums-added-without-an-order",
    ),
    "An event is set once, then waited for by the same id, and none is left set": (
        "events_pair_in_the_order_of_issue",
        "events-left-set",
    ),
    "A queue knows one producer and one consumer pipe, and its tensors have states": (
        "using_a_tensor_before_dequeue_is_a_race",
        "a_queue_knows_one_consumer_only",
        "tensors_of_a_queue_have_states",
        "misuse_of_a_queue_shows_in_the_numbers",
        "queue-read-before-dequeued",
        "tensor-freed-before-its-last-use",
    ),
    "Cores share GM by flags, set from the pipe that did the work": (
        "a_flag_from_another_pipe_orders_nothing",
        "two_vector_cores_without_a_flag_show_in_the_numbers",
        "each_missing_edge_of_a_kernel_shows_in_the_numbers",
        "scores-not-waited-for",
        "flag-from-another-pipe",
    ),
    "A wait for a flag orders what is issued after it": (
        "a_wait_orders_only_what_is_issued_after_it",
    ),
    "Groups have no order": (
        "groups_may_not_write_the_same_bytes",
        "groups_that_write_one_place_show_in_the_numbers",
    ),
    "Scalar reads of GM see only what nobody writes, once the data cache dropped what it held": (
        "scalar_reads_of_gm_are_for_inputs",
        "the_data_cache_drops_what_it_held_before_a_scalar_read",
        "cache-not-dropped-before-scalar-reads",
    ),
    "Nobody reads bytes that were never written, or were freed": (
        "never_written_bytes_may_not_be_read",
        "a_freed_tensor_may_not_be_used",
        "a_recycled_tensor_holds_nothing",
        "weights-not-waited-for",
    ),
    "Padding does not reach GM": ("poison_may_not_reach_an_output", "padding-rows-stored"),
    "A flag counts to 15, and in mode 2 both AIVs set it": (
        "a_counter_ends_at_15",
        "mode_2_needs_both_vector_cores",
        "a_flag_that_nobody_waits_for_is_an_error",
        "a_deadlock_prints_who_waits_for_what",
        "aiv-without-rows-sets-no-flag",
    ),
}

USE = {
    "C of Mmad lies on 1024 B, A and B on 512 B": ("mmad_has_limits",),
    "TPipe owns M_MTE1 0..2 on the AIC": (
        "tpipe_owns_three_m_mte1_events_on_the_cube",
        "event-of-the-pipe",
    ),
    "Event ids 6 and 7 are the framework's, and those of a queue's kinds are given out": (
        "ids_of_kinds_that_a_queue_uses_come_from_the_pipe",
        "event-of-the-framework",
    ),
    "DataCopyPad repeats the first element, or pads, or leaves what lies beyond random": (
        "data_copy_pad_repeats_the_first_element_without_padding",
        "data_copy_pad_fills_every_lane_that_is_not_data",
        "data_copy_pad_without_is_pad_leaves_random_lanes",
    ),
    "Nd2Nz has 16-bit fields and pads columns, never rows": (
        "nd2nz_has_limits",
        "rows_that_were_never_loaded_may_not_reach_l0",
        "padding-rows-not-zeroed",
    ),
    "Rows of an earlier tile do not count as loaded": ("rows_of_an_earlier_tile_may_not_reach_l0",),
    "Fixpipe stores multiples of 16 columns of a tile at a pitch that has room": (
        "fixpipe_has_limits",
        "fixpipe-stride-of-a-larger-tile",
        "fixpipe-pitch-below-the-row",
    ),
    "Results of 16 bits saturate unless told not to; fp32 does not": (
        "cast_saturates_unless_told_not_to",
        "poison_may_not_be_multiplied",
    ),
    "Mmad takes true sizes, which set the pitch of the fractals; m is never 1": (
        "mmad_uses_true_sizes_and_ignores_what_lies_beyond",
        "mmad_refuses_m_1",
        "m-is-one",
        "pitch-of-fractals-of-v",
    ),
    "Cast has modes for each pair of types, and does not widen in place": (
        "cast_refuses_modes_that_a_pair_lacks",
        "cast_refuses_to_widen_in_place",
        "cast-without-rounding-to-bf16",
    ),
    "Integers: few types, signed shifts keep the sign, overflow is not defined": (
        "types_that_an_instruction_lacks",
        "a_signed_left_shift_keeps_the_sign_bit",
        "integer_overflow_is_refused",
    ),
    "A shift goes from 0 to the width": ("a_shift_goes_from_0_to_the_width",),
    "A transfer of nothing, and a constant event id beside a TPipe: reported as notes": (
        "a_transfer_of_nothing_is_a_note",
        "a_constant_event_id_beside_a_tpipe_is_a_note",
    ),
    "Compare covers whole repeats": ("compare_needs_whole_repeats",),
    "Select works in the last 8 KB of UB, and its own barriers are not the kernel's": (
        "select_needs_the_reserved_8_kb",
        "what_select_does_inside_is_no_barrier_of_the_kernel",
    ),
    "Sums of reductions are trees; results lie on their own grid": (
        "block_reduce_sum_adds_adjacent_pairs",
        "results_of_reductions_lie_on_their_own_grid",
    ),
    "Brcb and repeat forms: operands coincide or are apart": ("operands_coincide_or_are_apart",),
    "Counter mode and atomic add are switched off again": (
        "modes_left_on_break_the_next_kernel",
        "atomic-add-left-on",
    ),
    "Flags have ids, modes and pipes": ("flags_have_ids_modes_and_pipes",),
    "InitConstValue defines rows in its own units": (
        "rows_that_were_never_loaded_may_not_reach_l0",
    ),
    "Memories end where they end": (
        "every_memory_has_its_real_size",
        "there_are_64_buffers_at_most",
        "ub-over-allocated",
        "l0c-over-allocated",
    ),
    "Accesses stay in their tensor, and inputs are read-only": (
        "vector_operands_stay_in_their_tensor",
        "inputs_are_read_only",
        "l1-one-block-too-small",
    ),
}
