// The process's worker threads.
//
// OpenMP's own teams are not used: a region ends when its last thread has been scheduled, however
// little work there was, and the waiting ones spin. With one other busy process on two cores that
// made a CD-1 update 25 times slower. Here nobody waits for a thread that has not come: the caller
// works at once, workers join while there is work, and the call ends when those who joined are
// done.
#pragma once

namespace layerwise {

// work(context, 0) on the calling thread and work(context, 1 .. size - 1) on workers, each at most
// once and only those that come before the caller has finished its own part; returns how many took
// part. A second caller at the same time, and one inside work, does everything alone. A child of
// fork starts workers of its own. While the caller waits for those inside it calls waiting(context)
// again and again.
int run_team(int size, void (*work)(void* context, int thread), void (*waiting)(void* context),
             void* context);

// For tests: the caller starts its part only when all the workers have come.
void wait_for_full_teams(bool wait);

// Which worker the calling thread is, from 1; 0 for a thread that the user made. Seats go to
// whoever comes first, this stays.
int worker_number();

}  // namespace layerwise
