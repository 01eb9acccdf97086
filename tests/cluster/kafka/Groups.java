// Members of groups that the client library of the tests does not know: share groups (KIP-932) and streams groups (KIP-1071).
// It is run from its source: java -cp 'jars/*' Groups.java SERVERS share|streams ARGUMENT...

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.message.FindCoordinatorRequestData;
import org.apache.kafka.common.message.OffsetCommitRequestData;
import org.apache.kafka.common.message.StreamsGroupHeartbeatRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.requests.AbstractRequest;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.FindCoordinatorRequest;
import org.apache.kafka.common.requests.FindCoordinatorResponse;
import org.apache.kafka.common.requests.OffsetCommitRequest;
import org.apache.kafka.common.requests.OffsetCommitResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.StreamsGroupHeartbeatRequest;
import org.apache.kafka.common.requests.StreamsGroupHeartbeatResponse;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Groups {
    static final Duration LIMIT = Duration.ofSeconds(40);

    public static void main(String[] args) throws Exception {
        String servers = args[0], group = args[2], topic = args[3];
        switch (args[1]) {
            case "share" -> share(servers, group, topic, args[4], Integer.parseInt(args[5]), Integer.parseInt(args[6]));
            case "streams" -> streams(servers, group, topic, Integer.parseInt(args[4]), Long.parseLong(args[5]));
            default -> throw new IllegalArgumentException(args[1]);
        }
    }

    /** Acknowledges records whose offsets are multiples of `every`, until it has done so for `count`; gives the others back. */
    static void share(String servers, String group, String topic, String reset, int count, int every) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
            var entry = new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", reset), AlterConfigOp.OpType.SET);
            var resource = new ConfigResource(ConfigResource.Type.GROUP, group);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(entry))).all().get();
        }
        Map<String, Object> config = Map.of("bootstrap.servers", servers, "group.id", group,
            "share.acknowledgement.mode", "explicit");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaShareConsumer<>(config, bytes, bytes)) {
            consumer.subscribe(List.of(topic));
            Instant end = Instant.now().plus(count < 0 ? Duration.ofSeconds(5) : LIMIT);
            int done = 0;
            while (count < 0 || done < count) {
                if (Instant.now().isAfter(end)) {
                    if (count < 0) break;
                    throw new IllegalStateException("only " + done + " records came");
                }
                for (var one : consumer.poll(Duration.ofMillis(200))) {
                    boolean accepted = one.offset() % every == 0 && done != count;
                    done += accepted ? 1 : 0;
                    consumer.acknowledge(one, accepted ? AcknowledgeType.ACCEPT : AcknowledgeType.RELEASE);
                }
                consumer.commitSync().values().forEach(failed -> failed.ifPresent(error -> { throw error; }));
            }
            System.out.println(done + " records acknowledged");
        }
    }

    /** Joins a streams group, commits an offset for each partition of a topic, and leaves. */
    static void streams(String servers, String group, String topic, int partitions, long offset) throws Exception {
        try (Socket socket = coordinator(servers, group)) {
            String member = Uuid.randomUuid().toString();
            int epoch = heartbeat(socket, join(group, member, topic));
            commit(socket, group, member, epoch, topic, partitions, offset);
            heartbeat(socket, new StreamsGroupHeartbeatRequestData().setGroupId(group).setMemberId(member).setMemberEpoch(-1));
        }
        System.out.println("offsets committed");
    }

    /** Connects to the broker that keeps a group. */
    static Socket coordinator(String servers, String group) throws Exception {
        try (Socket any = connect(servers.split(",")[0])) {
            for (Instant end = Instant.now().plus(LIMIT); ; Thread.sleep(200)) {
                var data = new FindCoordinatorRequestData().setCoordinatorKeys(List.of(group));
                var request = new FindCoordinatorRequest.Builder(data).build(ApiKeys.FIND_COORDINATOR.latestVersion());
                var answer = (FindCoordinatorResponse) ask(any, ApiKeys.FIND_COORDINATOR, request);
                var found = answer.data().coordinators().get(0);
                if (found.errorCode() == 0) return connect(found.host() + ":" + found.port());
                if (Instant.now().isAfter(end)) check(found.errorCode(), group);
            }
        }
    }

    static Socket connect(String server) throws Exception {
        String[] address = server.split(":");
        Socket socket = new Socket(address[0], Integer.parseInt(address[1]));
        socket.setSoTimeout((int) LIMIT.toMillis());
        return socket;
    }

    static StreamsGroupHeartbeatRequestData join(String group, String member, String topic) {
        var part = new StreamsGroupHeartbeatRequestData.Subtopology().setSubtopologyId("0").setSourceTopics(List.of(topic));
        var topology = new StreamsGroupHeartbeatRequestData.Topology().setEpoch(0).setSubtopologies(List.of(part));
        return new StreamsGroupHeartbeatRequestData().setGroupId(group).setMemberId(member).setMemberEpoch(0)
            .setProcessId(Uuid.randomUuid().toString()).setRebalanceTimeoutMs(10_000).setTopology(topology)
            .setActiveTasks(List.of()).setStandbyTasks(List.of()).setWarmupTasks(List.of()).setClientTags(List.of());
    }

    static int heartbeat(Socket socket, StreamsGroupHeartbeatRequestData data) throws Exception {
        var request = new StreamsGroupHeartbeatRequest.Builder(data).build(ApiKeys.STREAMS_GROUP_HEARTBEAT.latestVersion());
        var answer = ((StreamsGroupHeartbeatResponse) ask(socket, ApiKeys.STREAMS_GROUP_HEARTBEAT, request)).data();
        check(answer.errorCode(), answer.errorMessage());
        return answer.memberEpoch();
    }

    static void commit(Socket socket, String group, String member, int epoch, String topic, int partitions, long offset)
        throws Exception {
        List<OffsetCommitRequestData.OffsetCommitRequestPartition> places = new ArrayList<>();
        for (int number = 0; number < partitions; number++) {
            places.add(new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(number)
                .setCommittedOffset(offset));
        }
        var data = new OffsetCommitRequestData().setGroupId(group).setMemberId(member).setGenerationIdOrMemberEpoch(epoch)
            .setTopics(List.of(new OffsetCommitRequestData.OffsetCommitRequestTopic().setName(topic).setPartitions(places)));
        var request = OffsetCommitRequest.Builder.forTopicNames(data).build((short) 9);
        var answer = ((OffsetCommitResponse) ask(socket, ApiKeys.OFFSET_COMMIT, request)).data();
        answer.topics().forEach(one -> one.partitions().forEach(place -> check(place.errorCode(), topic)));
    }

    static AbstractResponse ask(Socket socket, ApiKeys kind, AbstractRequest request) throws Exception {
        var header = new RequestHeader(kind, request.version(), "the application", 1);
        ByteBuffer question = request.serializeWithHeader(header);
        byte[] bytes = new byte[question.remaining()];
        question.get(bytes);
        var out = new DataOutputStream(socket.getOutputStream());
        out.writeInt(bytes.length);
        out.write(bytes);
        out.flush();
        var in = new DataInputStream(socket.getInputStream());
        return AbstractResponse.parseResponse(ByteBuffer.wrap(in.readNBytes(in.readInt())), header);
    }

    static void check(short code, String what) {
        if (code != 0) throw new IllegalStateException(what + ": " + Errors.forCode(code));
    }
}
