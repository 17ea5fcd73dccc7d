import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/**
 * An alert reporter (IHE PCD-04) of its own making: builds its messages, frames them, and reads
 * acknowledgements.
 *
 * <p>Arguments: key store (PKCS #12), its password, trust anchors (PEM), host, port, the name of the device.
 * For each acknowledgement it prints what it answers, MSA-1, MSA-2, MSH-9, ERR-3.1 and MSH-10, with tabs
 * between.
 */
public final class AlertDevice {
    private static final int VT = 0x0B;
    private static final int FS = 0x1C;

    private final InputStream in;
    private final OutputStream out;
    private final String name;

    private AlertDevice(SSLSocket socket, String name) throws IOException {
        this.in = socket.getInputStream();
        this.out = socket.getOutputStream();
        this.name = name;
    }

    public static void main(String[] arguments) throws Exception {
        var context = JsseDevice.context(arguments[0], arguments[1].toCharArray(), arguments[2]);
        int port = Integer.parseInt(arguments[4]);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(arguments[3], port)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            new AlertDevice(socket, arguments[5]).run();
        }
    }

    private void run() throws IOException {
        String first = alert("J1", "AL", "AL", name, "start");
        exchange("AL-AL", first, 1);
        exchange("AL-NE", alert("J2", "AL", "NE", name, "update"), 1);
        exchange("original", alert("J3", "", "", name, "end"), 1);
        exchange("stranger", alert("J4", "AL", "NE", "ANOTHER-DEVICE", "start"), 1);
        String batch = "FHS|^~\\&|" + name + "\rBHS|^~\\&|" + name + "\r"
            + alert("J5", "AL", "NE", name, "start") + values("J6", "AL", "AL") + alert("J7", "", "", name, "end")
            + "BTS|3\rFTS|1\r";
        exchange("batch", batch, 4);
        exchange("resent", first, 1);
    }

    /** Sends a frame and prints so many acknowledgements. */
    private void exchange(String what, String payload, int answers) throws IOException {
        var frame = new ByteArrayOutputStream();
        frame.write(VT);
        frame.write(payload.getBytes(StandardCharsets.UTF_8));
        frame.write(FS);
        frame.write('\r');
        out.write(frame.toByteArray());
        out.flush();
        for (int answer = 0; answer < answers; answer++) {
            String message = read();
            System.out.println(String.join("\t", what, field(message, "MSA", 1), field(message, "MSA", 2),
                field(message, "MSH", 8), field(message, "ERR", 3).split("\\^")[0], field(message, "MSH", 9)));
        }
    }

    private String read() throws IOException {
        if (next() != VT) {
            throw new IOException("an acknowledgement without its start block");
        }
        var payload = new ByteArrayOutputStream();
        for (int octet = next(); octet != FS; octet = next()) {
            payload.write(octet);
        }
        if (next() != '\r') {
            throw new IOException("an acknowledgement without its carriage return");
        }
        return payload.toString(StandardCharsets.UTF_8);
    }

    private int next() throws IOException {
        int octet = in.read();
        if (octet < 0) {
            throw new EOFException("closed before an acknowledgement came");
        }
        return octet;
    }

    /** A field by its position after the name; MSH counts its separator, so its fields have one less here. */
    private static String field(String message, String segment, int place) {
        for (String line : message.split("\r")) {
            String[] fields = line.split("\\|", -1);
            if (fields[0].equals(segment) && place < fields.length) {
                return fields[place];
            }
        }
        return "";
    }

    private String header(String type, String profile, String id, String accept, String application) {
        return "MSH|^~\\&|ACME^" + name + "^DNS|WARD|AM|CENTRAL|20260301120000+0100||" + type + "|" + id
            + "|P|2.6|||" + accept + "|" + application + "||UNICODE UTF-8|||" + profile + "^IHE PCD^"
            + "1.3.6.1.4.1.19376.1.6.1." + (profile.endsWith("004") ? "4" : "1") + ".1^ISO\r";
    }

    /** One alert with its facets. */
    private String alert(String id, String accept, String application, String equipment, String phase) {
        String time = "20260301115959+0100";
        List<String> lines = new ArrayList<>();
        lines.add("PID|||HO2009001^^^Hospital^PI||Hon^Albert^^^^^L");
        lines.add("PV1||I|3 West ICU^3002^1");
        lines.add("OBR|1|" + id + "^ACME^" + name + "^DNS|" + id + "^ACME^" + name
            + "^DNS|196616^MDC_EVT_ALARM^MDC|||" + time);
        lines.add("OBX|1|CWE|196648^MDC_EVT_HI^MDC|1.1.1.150020.1|^HR high||||||F|||" + time + "||||" + equipment
            + "^^" + equipment + "^DNS");
        lines.add("OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.150020.2|151|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-150|H"
            + "|||F|||" + time);
        lines.add("OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.150020.3|" + phase + "||||||F");
        lines.add("OBX|4|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.150020.4|active||||||F");
        lines.add("OBX|5|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.1.1.150020.5|enabled||||||F");
        return header("ORU^R40^ORU_R40", "IHE_PCD_ACM_004", id, accept, application) + String.join("\r", lines) + "\r";
    }

    /** A PCD-01 with one value. */
    private String values(String id, String accept, String application) {
        return header("ORU^R01^ORU_R01", "IHE_PCD_001", id, accept, application)
            + "PID|||HO2009001^^^Hospital^PI||Hon^Albert^^^^^L\r"
            + "OBR|1|1^ACME^" + name + "^DNS|1^ACME^" + name + "^DNS|182777000^monitoring of patient^SCT"
            + "|||20260301120000+0100\r"
            + "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||" + name + "^^" + name + "^DNS\r"
            + "OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1|72|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R\r";
    }
}
